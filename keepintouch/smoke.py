"""The smoke test: one made-up person whose only visit is withdrawn, followed through a running deployment and forgotten again."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

import httpx
import orjson

from keepintouch.councils import SMOKE_COUNCIL, Councils
from keepintouch.publishing import Sender, to_json
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, clear_errors, consumer, partitions_of, read_to_end
from keepintouch.runtime.topics import ALERTS, NOTIFICATIONS, STAFF, people_changelog
from keepintouch.standards import stored
from schemas.alerts import Alert
from schemas.events import Accommodation, CloudEvent, EventData, Person, PersonErased, RecordVoided, Visit, envelope
from schemas.notifications import Notification
from schemas.staff import Staff

POLICY = "standard_8_week"
RULE = "visit_overdue"
SOURCE = "urn:keep-in-touch:smoke"
FALLBACK = f"{SMOKE_COUNCIL}:duty"
NUMBER = "+447700900000"
"""One of those kept free for drama."""

_ON_THEIR_WAY = frozenset({"sending", "uncertain"})
_GONE_OUT = frozenset({"accepted", "sent", "delivered"})
_AGE, _SUPPORTED, _RECORD = timedelta(days=19.5 * 365), timedelta(days=120), "smoke"


class StageFailed(Exception):  # noqa: N818 -- it says what happened
    """A stage did not come to its end; `runbook` is the page to open."""

    def __init__(self, why: str, runbook: str) -> None:
        super().__init__(why)
        self.runbook = runbook


def check_council(councils: Councils, file: object) -> None:
    """Return if the made-up council is there as it should be. Raises UserError that says what is missing."""
    where = f"{file}: council {SMOKE_COUNCIL}"
    if SMOKE_COUNCIL not in councils.slugs:
        raise UserError(f"{where}: is not there: add it as docs/how-to/watch-it.md shows, and start the services again")
    council = councils.councils[SMOKE_COUNCIL]
    if council.channels.sms != ["console"] or council.channels.email:
        raise UserError(f"{where}: channels: should be {{sms: [console], email: []}}, so that nothing goes to anybody")
    if council.policy != POLICY or council.fallback != FALLBACK or council.feeds:
        raise UserError(f"{where}: should have the policy {POLICY}, the fallback {FALLBACK} and no feeds")
    if councils.ladder_of(SMOKE_COUNCIL).calendar != "always":
        raise UserError(f"{where}: ladder: should be one with `calendar: always`, or the test would wait for the morning")


class Door(Protocol):
    """The way in: the gateway, or Kafka itself."""

    def event(self, event: CloudEvent) -> None:
        """Return once it has been acknowledged. Raises StageFailed."""

    def staff(self, member: Staff) -> None:
        """Return once it has been acknowledged. Raises StageFailed."""


class KafkaDoor:
    """Straight into the topics."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def event(self, event: CloudEvent) -> None:
        """See Door."""
        self._sender.event(event)
        self._sender.flush()

    def staff(self, member: Staff) -> None:
        """See Door."""
        self._sender.staff(member)
        self._sender.flush()


class GatewayDoor:
    """By HTTP, as a case system does."""

    def __init__(self, client: httpx.Client) -> None:
        """`client`: with the gateway's address, and the API key if it wants one."""
        self._client = client

    def event(self, event: CloudEvent) -> None:
        """See Door."""
        self._sent("POST", "/v1/events", to_json(event), "application/cloudevents+json")

    def staff(self, member: Staff) -> None:
        """See Door."""
        self._sent("PUT", "/v1/staff", b"[" + to_json(member) + b"]", "application/json")

    def _sent(self, method: str, path: str, body: bytes, kind: str) -> None:
        try:
            answer = self._client.request(method, path, content=body, headers={"Content-Type": kind})
        except (httpx.HTTPError, UnicodeError) as error:   # the latter of a host name that can be none
            raise StageFailed(f"the gateway does not answer ({type(error).__name__})", "TargetDown") from None
        if answer.status_code in (401, 403):
            raise StageFailed("the gateway refuses the API key: it should be for the council "
                              f"{SMOKE_COUNCIL} and the source {SOURCE} (keepintouch sources new)", "SourceBad")
        try:
            taken = answer.is_success and not orjson.loads(answer.content)["refused"]
        except (orjson.JSONDecodeError, TypeError, KeyError):   # a page of some proxy's, say
            taken = False
        if not taken:
            raise StageFailed(f"the gateway answers {answer.status_code}: {answer.text[:300]}", "SourceBad")


@dataclass(slots=True)
class Traces:
    """What the services have written about a person so far. Pure."""

    ref: str
    changelog: str
    evaluated: bool = False
    """The monitor has looked at them."""
    forgotten: bool = False
    """It has carried out their erasure."""
    alert: Alert | None = None
    """The live alert about them that is waited for."""
    _notes: dict[str, Notification] = field(default_factory=dict)

    @property
    def told(self) -> Notification | None:
        """What became of the alert, once that is known."""
        return None if self.alert is None else self._notes.get(str(self.alert.alert_id))

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One record, whoever it is about."""
        if topic == self.changelog and key == self.ref.encode():
            person = None if value is None else stored.load(value)
            self.evaluated |= person is not None and person.ledger is not None
            self.forgotten = self.evaluated and (person is None or person.facts is None)
        elif topic == ALERTS and value is not None and self.ref.encode() in value:
            alert = Alert.model_validate_json(value)
            if alert.person_ref == self.ref and alert.mode == "live" and alert.status == "open" and alert.rule == RULE:
                self.alert = alert
        elif topic == NOTIFICATIONS and value is not None and key is not None:
            note = Notification.model_validate_json(value)
            if note.state not in _ON_THEIR_WAY:
                self._notes.setdefault(key.decode(), note)


class Topics:
    """Follows what the services write, from the moment this is entered."""

    def __init__(self, settings: KafkaSettings, traces: Traces) -> None:
        self._settings, self._traces = settings, traces
        self._client = consumer(settings, fetch_max_wait_ms=100)

    def __enter__(self) -> Self:
        topics = (ALERTS, NOTIFICATIONS, self._traces.changelog)
        with clear_errors(self._settings):
            wanted = [each for topic in topics for each in partitions_of(self._client, topic)]
            self._client.assign(wanted)
            self._client.seek_to_end(*wanted)
            for each in wanted:
                self._client.position(each)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def until(self, true: Callable[[], object], within: float, why: str, runbook: str) -> None:
        """Return as soon as `true` is. Raises StageFailed with `why` if it is not in time."""
        deadline = time.monotonic() + within
        while not true():
            if time.monotonic() > deadline:
                raise StageFailed(f"{why} within {within:.0f} s", runbook)
            with clear_errors(self._settings):
                batches = self._client.poll(timeout_ms=100)
            for batch in batches.values():
                for record in batch:
                    self._traces.take(record.topic, record.key, record.value)


def stages(settings: KafkaSettings, app_id: str, door: Door, now: Callable[[], datetime], within: float
           ) -> Iterator[tuple[str, str]]:
    """Go through them: yield each one's name and what came of it, as it ends. Raises StageFailed.

    `now`: the services' clock. `within`: real seconds for each stage that waits; the monitor's settling is in the first of
    them. However it ends, the made-up person is asked to be forgotten.
    """
    made = _Made(f"{SMOKE_COUNCIL}:{uuid4().hex}", now)
    traces = Traces(made.ref, people_changelog(app_id))
    with Topics(settings, traces) as topics:
        try:
            yield from _followed(settings, topics, traces, door, made, within)
        finally:
            door.event(made.erasure())
        topics.until(lambda: traces.forgotten, within, "the monitor has not forgotten the made-up person", "HeartbeatStalled")
        yield "monitor", "the made-up person is forgotten"


def _followed(settings: KafkaSettings, topics: Topics, traces: Traces, door: Door, made: _Made, within: float
              ) -> Iterator[tuple[str, str]]:
    if not any(record.key == FALLBACK.encode() and record.value for record in read_to_end(settings, STAFF)):
        door.staff(_duty())
    door.event(made.person())
    door.event(made.visit())
    yield "in", "a made-up person and a visit to them are on the topic"
    topics.until(lambda: traces.evaluated, within, "the monitor has not looked at the made-up person", "LagGrowing")
    yield "monitor", "it has looked at them"
    door.event(made.void())
    topics.until(lambda: traces.alert is not None, within, "no alert came when the visit was withdrawn", "HeartbeatStalled")
    yield "monitor", "the visit was withdrawn, and an alert is open"
    topics.until(lambda: traces.told is not None, within, "nothing became of the alert", "OutboxStuck")
    assert traces.told is not None
    yield "notifier", _judged(traces.told)


def _judged(note: Notification) -> str:
    """What the notifier did. Raises StageFailed where nobody would have been told."""
    if note.state in _GONE_OUT:
        return f"the message was {note.state}, to nobody real"
    if note.state == "held" and note.reason == "trial":
        return "the message was held, as trial mode is on; nothing goes out to anybody until NOTIFIER_TRIAL=off"
    runbook = "FallbackUnresolvable" if note.reason == "nobody" else "ChannelFailing"
    raise StageFailed(f"the message was {note.state}, reason {note.reason or 'not said'}", runbook)


@dataclass(frozen=True, slots=True)
class _Made:
    """The made-up person and what is said of them."""

    ref: str
    now: Callable[[], datetime]

    def person(self) -> CloudEvent:
        """Homeless at 19 and without an adviser: not to be seen for four weeks is critical, and critical alerts do not wait."""
        at = self.now()
        return _event(Person(
            person_ref=self.ref, recorded_at=at, born_on=(at - _AGE).date(), category="former_relevant",
            supported_since=(at - _SUPPORTED).date(), need="standard", plan_reviewed_on=at.date(), looked_after=False, cohorts=[],
            accommodation=Accommodation(code="S", council_provided=False, hostel=False)))

    def visit(self) -> CloudEvent:
        at = self.now()
        return _event(Visit(
            record_id=_RECORD, person_ref=self.ref, recorded_at=at, occurred_at=at, worker_ref=FALLBACK, worker_role="duty",
            location="community", outcome="seen"))

    def void(self) -> CloudEvent:
        return _event(RecordVoided(record_id=_RECORD, person_ref=self.ref, recorded_at=self.now()))

    def erasure(self) -> CloudEvent:
        return _event(PersonErased(person_ref=self.ref, recorded_at=self.now()))


def _event(data: EventData) -> CloudEvent:
    return envelope(data, id=uuid4().hex, source=SOURCE)


def _duty() -> Staff:
    return Staff(worker_ref=FALLBACK, council=SMOKE_COUNCIL, role="duty", name="Smoke test", mobile=NUMBER, channels=["sms"],
                 works=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], active=True)
