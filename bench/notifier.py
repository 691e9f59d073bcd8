"""How fast the notifier is: ten thousand alerts for two hundred advisers at one opening, on an empty database and on one with a
year in it; and how long a single alert takes to the provider, beyond the time in which it is gathered. Beside it, that nobody
gets more messages in an hour than they may.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
import yaml

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.topics import ALERTS, STAFF
from schemas.alerts import Alert, alert_id
from schemas.staff import Staff
from services.notifier.database import open_database
from services.notifier.tables import alert, line, message, step
from tests.standins.twilio import TwilioStandIn

from . import machine
from .delays import spread
from .events import KeyValue, partition_of
from .kafka import broker, fill
from .rates import Row
from .steady import Steady
from .worker import Worker, Workers, WrongRun, workers

ANSWERS_AFTER = 0.02
"""Seconds that the provider takes."""
GATHER = timedelta(seconds=2)
HISTORY = 100_000
"""Alerts, steps and messages of the past year."""
_PARTITIONS = 6   # of the alerts, as declared
_COUNCIL = "lancashire"
_DAY = date(2026, 3, 10)   # a Tuesday, before the clocks go forward
_OPENING = datetime(2026, 3, 10, 8, 30, tzinfo=UTC)
_READ_BY = timedelta(minutes=50)
_LEAD = timedelta(seconds=12)
_AT_ONCE = 5_000
_CAP, _OVER = 5, 3   # messages that an adviser may have in an hour, and alerts that come beyond them


def notifier(alerts: int, advisers: int) -> Row:
    """An opening, the same with a year behind it, and single alerts in the course of a day."""
    with (TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at,
          TwilioStandIn() as twilio):
        twilio.answers_after = ANSWERS_AFTER
        office = Office(settings, Path(folder), at, twilio, advisers)
        office.open_shop()
        first = office.opening(alerts, _OPENING)
        put_behind(office.url, HISTORY)
        second = office.opening(alerts, _OPENING + timedelta(days=1))
        single = office.single(per_second=5, count=advisers)
        capped = office.capped(_CAP, _OVER)
    return {"alerts": alerts, "advisers": advisers, **first, **{f"year_{name}": value for name, value in second.items()},
            "year_ratio": round(second["seconds"] / first["seconds"], 3),
            "year_cpu_ratio": round(second["cpu_s"] / first["cpu_s"], 3), "gather_ms": GATHER.total_seconds() * 1000, **single,
            **capped, "wrong": []}


@dataclass(slots=True)
class Office:
    """A council of advisers with a notifier that texts them."""

    settings: KafkaSettings
    folder: Path
    at: Workers
    twilio: TwilioStandIn
    advisers: int
    _people: int = 0

    @property
    def url(self) -> str:
        """Of the database."""
        return f"sqlite:///{self.folder}/notifier.db"

    def open_shop(self) -> None:
        """Write the councils file and the staff."""
        council = {"name": "Lancashire", "policy": "standard_8_week", "ladder": "standard", "fallback": f"{_COUNCIL}:duty",
                   "sign_in": "https://contact.example", "channels": {"sms": ["twilio"]},
                   "limits": {"storm_alerts": 1_000_000}}
        ladder = {"calendar": "working_hours", "steps": [{"after": "0d", "to": ["adviser"]}, {"after": "2wd", "to": ["manager"]}]}
        (self.folder / "office.yaml").write_text(yaml.safe_dump({"councils": {_COUNCIL: council},
                                                                 "ladders": {"standard": ladder}}))
        fill(self.settings, STAFF, ((0, each) for each in self._staff()))

    def opening(self, alerts: int, opening: datetime) -> dict[str, float]:
        """Alerts come in the night; seconds from the opening, gathering included, until the last text was accepted.

        `cpu_s` is the process's own in that time, `others_s` what others used of its core.
        """
        records = list(islice(self._alerts(opening - timedelta(hours=2)), alerts))
        fill(self.settings, ALERTS, ((partition_of(key, _PARTITIONS), (key, value)) for key, value in records))
        before = len(self.twilio.ledger)
        reader = self.start("reader", opening - _READ_BY)
        read = self.at.wait_ready(reader)
        self.at.wait("alerts held", lambda: _count(self.url, step, step.c.reason == "outside_hours") >= alerts, every=0.5)
        held = time.time() - reader.started
        self.at.end("reader")
        sender = self.start("sender", opening - _LEAD)
        self.at.wait_ready(sender, within=_LEAD.total_seconds())
        opened = sender.started + _LEAD.total_seconds()
        time.sleep(max(0.0, opened - time.time()))
        usage = machine.Usage(sender.pid)
        self.at.wait("every adviser told", lambda: len(self.twilio.ledger) - before >= self.advisers, within=240)
        own, others = usage.so_far()
        texts = self.twilio.ledger[before:]
        self.at.wait("texts recorded", lambda: not _count(self.url, message, message.c.state.in_(("pending", "sending"))))
        self.at.end("sender")
        told = {sent.body.split()[0] for sent in texts}
        if len(texts) != self.advisers or told != {str(alerts // self.advisers)}:
            raise WrongRun(f"{len(texts)} texts, which speak of {sorted(told)} people")
        return {"read_s": round(read, 1), "held_s": round(held, 1),
                "seconds": round(max(sent.created.timestamp() for sent in texts) - opened, 2),
                "first_s": round(min(sent.created.timestamp() for sent in texts) - opened, 2), "texts": len(texts),
                "cpu_s": round(own, 2), "others_s": round(others, 2)}

    def single(self, per_second: float, count: int) -> dict[str, float]:
        """One alert for each adviser at a steady rate in working hours; milliseconds from its record to the provider."""
        before = len(self.twilio.ledger)
        worker = self.start("single", _OPENING + timedelta(days=1, hours=2))
        self.at.wait_ready(worker)
        self.at.wait_idle(worker)
        sent_at: dict[str, float] = {}

        def records() -> Iterator[KeyValue]:
            for number, (key, value) in enumerate(islice(self._alerts(_OPENING + timedelta(days=1, hours=2)), count)):
                sent_at[_number(number % self.advisers)] = time.time()
                yield key, value

        with Steady(self.settings, records(), per_second, ALERTS, _PARTITIONS):
            self.at.wait("every alert told", lambda: len(self.twilio.ledger) - before >= count, within=120)
        self.at.end("single")
        delays = [(sent.created.timestamp() - sent_at[sent.to]) * 1000 for sent in self.twilio.ledger[before:]]
        return spread("single", delays)

    def capped(self, cap: int, over: int) -> dict[str, float]:
        """One adviser's alerts, each after the text about the one before, until there are more than texts in an hour.

        What came beyond the cap is held, and goes out in one text when the hour is over.
        """
        now, before = _OPENING + timedelta(days=1, hours=4), len(self.twilio.ledger)
        self.at.wait_ready(self.start("capped", now, {"NOTIFIER_HOURLY_CAP": str(cap)}))
        for told in range(1, cap + over + 1):
            fill(self.settings, ALERTS, ((partition_of(key, _PARTITIONS), (key, value))
                                         for key, value in islice(self._alerts(now), 1)))
            if told <= cap:
                self.at.wait("told", partial(self._has_sent, before + told), within=60)
        self.at.wait("the rest held", lambda: _count(self.url, step, step.c.reason == "hourly_cap") == over, within=60)
        self.at.end("capped")
        within = len(self.twilio.ledger) - before
        later = self.start("later", now + timedelta(minutes=61), {"NOTIFIER_HOURLY_CAP": str(cap)})
        self.at.wait_ready(later)
        self.at.wait("the rest told", partial(self._has_sent, before + within + 1), within=60)
        self.at.wait_idle(later)
        self.at.end("later")
        rest = [sent.body.split()[0] for sent in self.twilio.ledger[before + within:]]
        if within != cap or rest != [str(over)]:
            raise WrongRun(f"{within} texts within an hour in which there may be {cap}, then one each about {rest} people")
        return {"cap": cap, "cap_texts": within, "cap_held": over, "cap_texts_later": len(rest)}

    def _has_sent(self, texts: int) -> bool:
        return len(self.twilio.ledger) >= texts

    def start(self, name: str, now: datetime, more: Mapping[str, str] = MappingProxyType({})) -> Worker:
        """A notifier whose clock shows `now` at its start; `more` are environment variables."""
        port = free_port()
        started = time.time()
        env = {"KAFKA_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers, "KAFKA_SESSION_TIMEOUT": "6s", "KEEPINTOUCH_DEMO": "1",
               "COUNCILS_FILE": str(self.folder / "office.yaml"), "NOTIFIER_HTTP_PORT": str(port),
               "NOTIFIER_DATABASE_URL": self.url, "NOTIFIER_TRIAL": "off", "NOTIFIER_GATHER": f"{GATHER.seconds}s",
               "KEEPINTOUCH_CLOCK": f"{now.isoformat()}@{datetime.fromtimestamp(started, UTC).isoformat()}*1",
               } | self.twilio.environment | dict(more)
        pid = self.at.run(name, [sys.executable, "-m", "services.notifier"], env)
        return Worker(name, pid, port, started)

    def _staff(self) -> Iterator[KeyValue]:
        usual: dict[str, Any] = {"council": _COUNCIL, "team_ref": None, "channels": ["sms"], "active": True, "name": "x"}
        people: list[Mapping[str, Any]] = [
            {"worker_ref": f"{_COUNCIL}:w{number}", "role": "adviser", "mobile": _number(number), "manager_ref": f"{_COUNCIL}:m",
             "team_ref": "t"} for number in range(self.advisers)]
        people += [{"worker_ref": f"{_COUNCIL}:m", "role": "manager", "mobile": _number(990), "team_ref": "t"},
                   {"worker_ref": f"{_COUNCIL}:s", "role": "service_manager", "mobile": _number(991)},
                   {"worker_ref": f"{_COUNCIL}:duty", "role": "duty", "mobile": _number(992)}]
        for each in people:
            staff = Staff.model_validate({**usual, **each})
            yield staff.worker_ref.encode(), staff.model_dump_json(by_alias=True).encode()

    def _alerts(self, at: datetime) -> Iterator[KeyValue]:
        """One alert about somebody new after another, of the advisers in turn."""
        for number in range(sys.maxsize):
            self._people += 1
            ref = f"{_COUNCIL}:p{self._people}"
            opened = Alert.model_validate({
                "alert_id": alert_id(ref, "visit_overdue", "2026-01-05"), "person_ref": ref, "council": _COUNCIL,
                "rule": "visit_overdue", "standard": "standard_8_week/visit_overdue/1", "status": "open", "sequence": 1,
                "severity": "high", "anchor_on": date(2026, 1, 5), "due_on": date(2026, 3, 2), "opens_on": _DAY,
                "adviser_ref": f"{_COUNCIL}:w{number % self.advisers}", "team_ref": "t",
                "policy": {"id": "standard_8_week", "version": 1}, "mode": "live", "evidence": [], "detected_at": at,
                "detail": {"met_adviser": True, "written_since_anchor": 0, "attempts_since_anchor": 0, "strangers_only": False}})
            yield str(opened.alert_id).encode(), opened.model_dump_json().encode()


def put_behind(url: str, rows: int) -> None:
    """Make what is in the database a year's past: so many alerts that have ended, each with steps and a message of its own."""
    database = open_database(url)
    year = timedelta(days=365)
    with database.write() as connection:
        alerts = [dict(row) for row in connection.execute(sa.select(alert)).mappings()]
        steps: dict[str, list[dict[str, Any]]] = {}
        for row in connection.execute(sa.select(step)).mappings():
            steps.setdefault(row["alert_id"], []).append(dict(row))
        lines = {row["alert_id"]: dict(row) for row in connection.execute(sa.select(line)).mappings()}
        messages = {row["id"]: dict(row) for row in connection.execute(sa.select(message)).mappings()}
        for table in (line, step, message, alert):
            connection.execute(sa.delete(table))
    for start in range(0, rows, _AT_ONCE):
        past: dict[sa.Table, list[dict[str, Any]]] = {alert: [], step: [], message: [], line: []}
        for number in range(start, min(start + _AT_ONCE, rows)):
            before, back = alerts[number % len(alerts)], timedelta(days=2) + year * (number / rows)
            mine, new, sent = before["alert_id"], str(uuid4()), uuid4().hex
            past[alert].append(before | {"alert_id": new, "status": "cleared", "opened_at": before["opened_at"] - back,
                                         "ended_noted_at": before["opened_at"] - back + timedelta(days=1)})
            past[step] += [_past(each, back, step) | {
                "alert_id": new, "state": each["state"] if each["released_at"] is not None else "cancelled", "look_at": None}
                for each in steps[mine]]
            past[message].append(_past(messages[lines[mine]["message_id"]], back, message) | {
                "id": sent, "ref": f"{number:08}", "provider_id": f"SM{sent}", "state": "delivered"})
            past[line].append(lines[mine] | {"message_id": sent, "alert_id": new, "dedupe_key": f"{new}/past"})
        with database.write() as connection:
            for table, values in past.items():
                connection.execute(sa.insert(table), values)
    database.close()


def _past(row: dict[str, Any], back: timedelta, table: sa.Table) -> dict[str, Any]:
    """A row whose instants are earlier; a number of its own is dealt out anew."""
    keys = {column.name for column in table.primary_key.columns} if table is step else set()
    return {name: value - back if isinstance(value, datetime) else value for name, value in row.items() if name not in keys}


def _count(url: str, table: sa.Table, where: sa.ColumnElement[bool]) -> int:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0
    finally:
        engine.dispose()


def _number(adviser: int) -> str:
    return f"+447700900{adviser:03}"
