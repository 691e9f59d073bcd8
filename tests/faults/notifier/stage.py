"""Where it takes place: topics, a database of one engine, a provider with a ledger, a council, and notifiers.

    with Stage.on(url, kafka, folder) as stage:
        stage.crew.start("a")
        one = stage.open(...)
        ...
        assert stage.end().good
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import urllib3
import yaml
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from keepintouch.runtime import topics as t
from keepintouch.runtime.kafka import KafkaSettings, consumer, producer
from keepintouch.runtime.ports import free_port
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.notifications import FINAL_STATES, Notification
from schemas.staff import Staff
from services.notifier.kafka import GROUP
from services.notifier.tables import step
from tests.processes import until
from tests.standins.twilio import Sent, TwilioStandIn, post_signed
from tests.unit.notifier.world import alert, member

from .crew import Crew
from .traps import Trap
from .verdict import Due, Published, Verdict, judge, ref_of
from .worker import Point

ADVISERS = 40
COUNCIL: Mapping[str, Any] = {
    "name": "Demo", "policy": "standard_8_week", "ladder": "short", "fallback": "demo:duty",
    "sign_in": "https://contact.example.gov.uk", "channels": {"sms": ["twilio"]}, "limits": {"storm_alerts": 100_000}}
ONE_STEP: Mapping[str, Any] = {"calendar": "always", "steps": [{"after": "0s", "to": ["adviser"]}]}
TWO_STEPS: Mapping[str, Any] = {
    "calendar": "always", "steps": [{"after": "0s", "to": ["adviser"]}, {"after": "2s", "to": ["manager"]}]}
_MANAGERS = {"demo:mia": "+447700900801", "demo:sam": "+447700900802", "demo:duty": "+447700900803"}
_OVER = frozenset({*FINAL_STATES, "dropped"})
_READY_WITHIN = 120.0


def adviser(number: int) -> str:
    """The ref of an adviser."""
    return f"demo:a{number}"


NUMBERS: Mapping[str, str] = _MANAGERS | {adviser(number): f"+4477009{number:05}" for number in range(1, ADVISERS + 1)}
"""Of everybody."""


def staff() -> list[Staff]:
    """Advisers, their manager Mia, the service manager Sam, and the duty desk that is the fallback."""
    team = [member(adviser(number), mobile=NUMBERS[adviser(number)], manager_ref="demo:mia")
            for number in range(1, ADVISERS + 1)]
    return [*team, member("demo:mia", "manager", mobile=NUMBERS["demo:mia"], manager_ref="demo:sam"),
            member("demo:sam", "service_manager", mobile=NUMBERS["demo:sam"], team_ref=None),
            member("demo:duty", "duty", mobile=NUMBERS["demo:duty"], team_ref=None)]


def write_councils(folder: Path, ladder: Mapping[str, Any] = TWO_STEPS, **council: Any) -> Path:
    """A councils file with one council."""
    file = folder / "councils.yaml"
    file.write_text(yaml.safe_dump({"councils": {"demo": {**COUNCIL, **council}}, "ladders": {"short": dict(ladder)}}))
    return file


@dataclass
class Stage:
    """Everything around the notifiers of one council. Topics must be fresh."""

    kafka: KafkaSettings
    url: str
    folder: Path
    twilio: TwilioStandIn
    crew: Crew
    engine: sa.Engine
    ports: Mapping[str, int]
    due: list[Due] = field(default_factory=list)
    evidence_lost: set[str] = field(default_factory=set)
    """Refs of texts whose proof was taken away."""
    numbers: dict[str, str] = field(default_factory=lambda: dict(NUMBERS))
    staff_written: int = 0
    _people: Iterator[int] = field(default_factory=count)
    _advisers: Iterator[int] = field(default_factory=lambda: count(1))
    _producer: KafkaProducer | None = None
    _readers: dict[str, tuple[KafkaConsumer, list[Any]]] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def on(cls, url: str, kafka: KafkaSettings, folder: Path, ladder: Mapping[str, Any] = TWO_STEPS,
           **council: Any) -> Iterator[Stage]:
        """A stage with everybody at work, and no notifier yet."""
        ports = {name: free_port() for name in ("a", "b")}
        with TwilioStandIn() as twilio, contextlib.ExitStack() as closing:
            env = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_SESSION_TIMEOUT": "1s", "KEEPINTOUCH_DEMO": "1",
                   "COUNCILS_FILE": str(write_councils(folder, ladder, **council)), "NOTIFIER_TRIAL": "off"} | twilio.environment
            crew = Crew(folder, env)
            closing.callback(crew.close)
            engine = sa.create_engine(url)
            stage = cls(kafka, url, folder, twilio, crew, engine, ports)
            closing.callback(lambda: stage.engine.dispose())
            closing.callback(stage.close)
            stage.write(*staff())
            yield stage

    def start(self, name: str = "a", *, at: Point | None = None, pause: bool = False, trap: Trap | None = None,
              more: Mapping[str, str] | None = None, ready: bool = True) -> None:
        """Start a notifier; returns when it is ready, unless it need not be or is to come to grief."""
        self.crew.start(name, at=at, pause=pause, trap=trap, more={
            "NOTIFIER_DATABASE_URL": self.url, "NOTIFIER_HTTP_PORT": str(self.ports[name]), "PUBLIC_BASE_URL": self.address(name),
            **(more or {})})
        if ready and at is None:
            until(lambda: self.is_ready(name), _READY_WITHIN)

    def address(self, name: str = "a") -> str:
        """Where a notifier listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def get(self, path: str, name: str = "a") -> urllib3.BaseHTTPResponse | None:
        """What a notifier answers; None if it does not."""
        try:
            return urllib3.request("GET", self.address(name) + path, timeout=30, retries=False)
        except urllib3.exceptions.HTTPError:
            return None

    def is_ready(self, name: str = "a") -> bool:
        """Whether a notifier says so; fails if it has ended."""
        assert self.crew.is_alive(name), f"it ended ({self.crew.status(name)}) and said:\n{self.crew.said(name)}"
        answer = self.get("/readyz", name)
        return answer is not None and answer.status == 200

    def metric(self, metric: str, name: str = "a", **labels: str) -> float:
        """The value of a metric of a notifier, or the sum of several."""
        answer = self.get("/metrics", name)
        assert answer is not None
        return sum(sample.value for family in text_string_to_metric_families(answer.data.decode()) for sample in family.samples
                   if sample.name == metric and labels.items() <= sample.labels.items())

    def write(self, *records: Staff | Alert | AlertAction | tuple[str, bytes, bytes | None]) -> None:
        """Put records on their topics; returns when Kafka has them."""
        if self._producer is None:
            self._producer = producer(self.kafka)
        for record in records:
            self.staff_written += isinstance(record, Staff) or (isinstance(record, tuple) and record[0] == t.STAFF)
            match record:
                case Staff():
                    where, key, value = t.STAFF, record.worker_ref, record.model_dump_json(by_alias=True)
                case Alert():
                    where, key, value = t.ALERTS, str(record.alert_id), record.model_dump_json()
                case AlertAction():
                    where, key, value = t.ALERT_ACTIONS, str(record.alert_id), record.model_dump_json()
                case (topic, raw_key, raw):
                    self._producer.send(topic, key=raw_key, value=raw)
                    continue
            self._producer.send(where, key=key.encode(), value=value.encode())
        self._producer.flush(timeout=30)

    def alert(self, of: int, **more: Any) -> Alert:
        """An alert about somebody new of an adviser's, which has opened just now."""
        return alert(f"p{next(self._people)}", **{"adviser_ref": adviser(of), "detected_at": datetime.now(UTC), **more})

    def open(self, of: int, *steps: tuple[str, str], **more: Any) -> Alert:
        """Publish such an alert. `steps`: its steps that will fall due, and whom they should reach (default: 1, the adviser)."""
        one = self.alert(of, **more)
        self.write(one)
        self.expect(one, *(steps or (("1", adviser(of)),)))
        return one

    def expect(self, one: Alert, *steps: tuple[str, str]) -> None:
        """These steps of an alert should reach these."""
        self.due += [Due(str(one.alert_id), step, frozenset({ref})) for step, ref in steps]

    def next_adviser(self) -> int:
        """The number of an adviser who has not been asked for before."""
        number = next(self._advisers)
        assert number <= ADVISERS
        return number

    def texts(self, of: int | str) -> list[Sent]:
        """What went to an adviser, or to whose ref is given."""
        return self.twilio.to(self.numbers[adviser(of) if isinstance(of, int) else of])

    def only_text(self, of: int | str) -> Sent:
        """The one text to somebody, when it is there."""
        until(lambda: self.texts(of))
        [sent] = self.texts(of)
        return sent

    def reply(self, sent: Sent, body: str, *, sid: str, sender: str | None = None, name: str = "a") -> tuple[int, str]:
        """Text back; the status and body of the answer."""
        fields = {"MessageSid": sid, "From": sender or sent.to, "To": sent.sender, "Body": body}
        return post_signed(f"{self.address(name)}/twilio/inbound", fields)

    def read(self, topic: str) -> list[Any]:
        """All records of a topic that are acknowledged by now."""
        if topic not in self._readers:
            reader = consumer(self.kafka)
            partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            self._readers[topic] = reader, []
        reader, records = self._readers[topic]
        ends = reader.end_offsets([*reader.assignment()])
        while any(reader.position(at) < end for at, end in ends.items()):
            for batch in reader.poll(timeout_ms=100).values():
                records += batch
        return records

    def published(self) -> list[Published]:
        """All notifications, in the order of their keys."""
        return [Published(each.key.decode(), Notification.model_validate_json(each.value)) for each in self.read(t.NOTIFICATIONS)]

    def unread(self) -> int:
        """How many alerts and actions there are that no notifier has acknowledged."""
        with contextlib.closing(consumer(self.kafka, group=GROUP)) as reader:
            partitions = [TopicPartition(topic, number) for topic in (t.ALERTS, t.ALERT_ACTIONS)
                          for number in reader.partitions_for_topic(topic)]
            return sum(end - (reader.committed(each) or 0) for each, end in reader.end_offsets(partitions).items())

    def story(self, one: Alert, step: str | None = None) -> list[str]:
        """The states published about an alert, each once in a row."""
        told = [each.told.state for each in self.published()
                if each.key == str(one.alert_id) and step in (None, each.told.step)]
        return [state for state, before in zip(told, [None, *told], strict=False) if state != before]

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """What the database has."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(statement), values).all())

    def waiting(self) -> dict[str, int]:
        """What still waits, by kind."""
        with contextlib.suppress(sa.exc.OperationalError):   # SQLite: somebody is changing the file's mode
            now = datetime.now(UTC)
            steps = sa.select(sa.func.count()).where(sa.or_(step.c.state == "gathering", sa.and_(
                step.c.state == "waiting", step.c.due_at <= now, step.c.look_at.is_not(None))))
            with self.engine.connect() as connection:
                counted = connection.execute(sa.text("SELECT state, count(*) FROM message GROUP BY state")).all()
                found = {f"messages {state}": number for state, number in counted if state not in _OVER}
                found["publications"] = connection.scalar(sa.text("SELECT count(*) FROM publication")) or 0
                found["steps"] = connection.scalar(steps) or 0
            return {kind: number for kind, number in found.items() if number}
        return {"databases locked": 1}

    def all_over(self) -> bool:
        """Whether everybody due has a text, each text is at its end, and nothing waits."""
        if self.waiting():
            return False
        told = {(each.key, each.told.step) for each in self.published() if each.told.state in _OVER}
        return all((each.alert_id, each.step) in told for each in self.due)

    def settle(self, within: float = 120.0) -> None:
        """Return when all is over; after so long all the same: the verdict will say what is not."""
        with contextlib.suppress(AssertionError):
            until(self.all_over, within)

    def use(self, url: str) -> None:
        """Look at another database from here on; notifiers started from now on work with it."""
        self.engine.dispose()
        self.url, self.engine = url, sa.create_engine(url)

    def end(self, within: float = 120.0) -> Verdict:
        """Let everything come to its end, end all notifiers, and judge."""
        self.settle(within)
        self.crew.kill()
        return self.judge()

    def judge(self) -> Verdict:
        """Judge what there is now."""
        return judge(self.due, self.twilio.ledger, self.published(), self.numbers, evidence_lost=frozenset(self.evidence_lost),
                     unsettled=self.waiting())

    def lose_evidence_of(self, sent: Sent) -> None:
        """From here on nobody can tell that a text went out."""
        self.evidence_lost.add(ref_of(sent.body))

    def close(self) -> None:
        """Stop reading and writing."""
        while self._readers:
            self._readers.popitem()[1][0].close()
        if self._producer is not None:
            self._producer.close()
            self._producer = None
