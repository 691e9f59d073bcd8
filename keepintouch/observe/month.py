"""A month of a made-up council in about a minute: a real Kafka, all four services, a real Prometheus that watches them."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from keepintouch.calendar import london_day
from keepintouch.demo.stack import BOARD, INTAKE, MONITOR, NOTIFIER, Say, Stack
from keepintouch.demo.visitor import Visitor
from keepintouch.demo.watching import AlertWatch, TextWatch
from keepintouch.publishing import Sender, sending, to_json
from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import producer
from keepintouch.runtime.topics import EVENTS
from keepintouch.simulator import LANCASHIRE_2017, Arrival, Simulation, simulate
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.events import Feed

from .prometheus import Prometheus

POLICY = "standard_8_week"
DAYS, PEOPLE, SECONDS_A_DAY = 28, 200, 2.4
_SERVICES = (MONITOR, NOTIFIER, INTAKE, BOARD)
_LEAD = 3.0
"""Real seconds until the month begins: no service is so quick that it would read of days that are not yet."""
_TICK = 0.2
_SETTLE_SECONDS = 1.0
_POST_WITHIN = 30.0
_AUDITED_IN_THE_LAST = 45.0
"""Real seconds of the month; the notifier counts what became of messages once a minute."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is at the end of the month, still running."""

    prometheus: Prometheus
    council: Simulation
    start: float
    """The real instant at which the month began, in seconds since 1970."""
    seconds_a_day: float


@contextlib.contextmanager
def month(say: Say, *, days: int = DAYS, people: int = PEOPLE, seconds_a_day: float = SECONDS_A_DAY) -> Iterator[Watched]:
    """Let a month pass, and have everything still run inside the block; nothing is left afterwards.

    Raises UserError for what is missing on this machine.
    """
    council = simulate(LANCASHIRE_2017, people=people, afterwards=days, feeds=("visits",))
    arrivals = list(council)
    history = [arrival for arrival in arrivals if arrival.at < council.boundary]
    stack = Stack(council, POLICY, settle_seconds=_SETTLE_SECONDS, say=say, more={"BOARD_FIGURES_EVERY": "1s"})
    with stack, contextlib.ExitStack() as exits:
        stack.feed(council.staff, history)
        say(f"{people} made-up care leavers and {len(history):,} events of a year are in Kafka")
        prometheus = Prometheus(stack.folder / "prometheus", {service: stack.port(service) for service in _SERVICES})
        exits.callback(prometheus.close)
        clock = LinearClock(council.boundary, datetime.now(UTC) + timedelta(seconds=_LEAD), 86_400 / seconds_a_day)
        stack.services.start(prometheus.child)
        for service in _SERVICES:
            stack.start(service, clock)
        stack.wait_ready()
        say(f"four services and Prometheus are up; {days} days pass, one in {seconds_a_day:g} s")
        with AlertWatch(stack.kafka) as alerts, sending(stack.kafka) as sender, _Life(stack, clock, alerts, sender) as life:
            life.run(arrivals[len(history):], council.boundary + timedelta(days=days))
        _wait_for_the_audit(prometheus, clock.real.timestamp() + max(0.0, days * seconds_a_day - _AUDITED_IN_THE_LAST))
        yield Watched(prometheus, council, clock.real.timestamp(), seconds_a_day)


def _wait_for_the_audit(prometheus: Prometheus, since: float) -> None:
    """Return once what Prometheus has of the notifier's audit is newer than that, or it is too late to wait for it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(series.latest >= since for series in prometheus.now("notifier_audit_timestamp_seconds")):
            return
        time.sleep(0.5)


class _Life:
    """What people and case systems do meanwhile."""

    def __init__(self, stack: Stack, clock: LinearClock, alerts: AlertWatch, sender: Sender) -> None:
        self._stack, self._clock, self._alerts, self._sender = stack, clock, alerts, sender
        self._texts = TextWatch(stack.texts)
        self._intake = httpx.Client(base_url=stack.address(INTAKE), timeout=10)
        self._answers: list[tuple[datetime, AlertAction]] = []
        self._live, self._day = 0, london_day(clock.start)
        self._visited = self._day

    def __enter__(self) -> _Life:
        return self

    def __exit__(self, *_: object) -> None:
        self._intake.close()

    def run(self, events: list[Arrival], end: datetime) -> None:
        """Until the month's `end`."""
        events = events[::-1]
        while (now := self._clock.now()) < end:
            self._stack.services.check()
            due = []
            while events and events[-1].at <= now:
                due.append(events.pop())
            self._record(due)
            self._answer(now)
            self._visit(london_day(now))
            if (today := london_day(now)) > self._day:
                self._day = today
                self._err()
            time.sleep(_TICK)

    def _record(self, due: list[Arrival]) -> None:
        """A case system posts what was typed up; the manifest of a night goes after what it speaks of."""
        batch: list[bytes] = []
        for arrival in due:
            if isinstance(arrival.event.data, Feed):
                self._post(batch)
                batch = []
                self._sender.event(arrival.event)
            else:
                batch.append(to_json(arrival.event))
            if len(batch) >= _BATCH:
                self._post(batch)
                batch = []
        self._post(batch)
        self._sender.flush()

    def _post(self, batch: list[bytes]) -> None:
        deadline = time.monotonic() + _POST_WITHIN
        while batch:
            answer = self._intake.post("/v1/events", content=b"[" + b",".join(batch) + b"]",
                                       headers={"Content-Type": "application/cloudevents-batch+json"})
            if answer.status_code not in (429, 503) or time.monotonic() > deadline:
                answer.raise_for_status()
                return
            time.sleep(0.5)

    def _answer(self, now: datetime) -> None:
        """Every third live alert is taken on a day later, and a visit is planned for every fifth."""
        for published in self._alerts.new():
            alert = published.alert
            if alert.mode == "live" and alert.status == "open" and alert.sequence == 1 and alert.adviser_ref is not None:
                self._live += 1
                if self._live % 3 == 0 or self._live % 5 == 0:
                    self._answers.append((now + timedelta(days=1), _taken_on(alert, now, self._live % 3 != 0)))
        for at, action in [each for each in self._answers if each[0] <= now]:
            self._answers.remove((at, action))
            self._sender.action(action)

    def _visit(self, today: object) -> None:
        """Once a day somebody follows the link of a text and presses the first button."""
        for sent in self._texts.new():
            if self._visited == today or "/a/" not in sent.text:
                continue
            with contextlib.suppress(httpx.HTTPError, ValueError):
                visitor = Visitor(self._stack.address(BOARD), sent.recipient_ref, sent.text)
                visitor.open()
                visitor.take_on()
                visitor.close()
                self._visited = self._day

    def _err(self) -> None:
        """Something that is no event, a field that is wrong, and a callback that nobody signed, every day."""
        with contextlib.closing(producer(self._stack.kafka)) as client:
            client.send(EVENTS, b"not an event", b"typical:nobody").get(timeout=10)
        self._intake.post("/v1/events", content=b'{"specversion": "1.0"}', headers={
            "Content-Type": "application/cloudevents+json"})
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(f"{self._stack.address(NOTIFIER)}/twilio/status/none", data={"MessageStatus": "delivered"}, timeout=10)


def _taken_on(alert: Alert, now: datetime, planned: bool) -> AlertAction:
    assert alert.adviser_ref is not None
    return AlertAction(
        action_id=uuid4().hex, alert_id=alert.alert_id, action="plan_visit" if planned else "acknowledge",
        actor_ref=alert.adviser_ref, at=now + timedelta(days=1), via="board",
        until=london_day(now) + timedelta(days=4) if planned else None)
