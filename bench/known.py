"""People the monitor knows already, written into its changelog as it would have: each with 26 records, evaluated.

Two thousand different ones are drawn; more than that are the same again under other refs, which a stored form does not hold.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import cycle

import orjson

from keepintouch.calendar import LONDON
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import EVENTS
from keepintouch.standards.person import Person
from schemas.events import Contact, Visit
from schemas.events import Person as Snapshot

from . import machine
from .events import NOW, Council, KeyValue, Shape, partition_of
from .kafka import Arrived, Group, fill
from .reckoning import Reckoning
from .worker import Workers

RECORDS = 26
_DIFFERENT = 2_000
_MARK = "lancashire:moved"
_PLAIN_HOME = {"code": "U", "suitable": True, "council_provided": False, "hostel": False, "since": None}


@dataclass(frozen=True, slots=True)
class History:
    """What there is of somebody: ordinary records for a year up to `until`, then perhaps a visit, then perhaps a call."""

    until: datetime
    seen_on: date | None = None
    spoke_on: date | None = None


class Known:
    """Draws people and evaluates them at `now`."""

    def __init__(self, now: datetime, people: int) -> None:
        self.council = Council(Shape(people=people))
        self.reckoning = Reckoning()
        self._now = now

    def draw(self, number: int, history: History) -> bytes:
        """Somebody of 19 with an adviser, or (without visit and call) anybody; returns their stored form."""
        council, key = self.council, self.council.ref(number).encode()
        person = self.reckoning.people[key] = Person()
        begin = history.until - timedelta(weeks=52)
        person.fold(council.uuid(), self.snapshot(number, history, begin))
        last = [at for at in (history.seen_on, history.spoke_on) if at is not None]
        ordinary = RECORDS - len(last)
        while len(person.registers) < ordinary:
            at = begin + timedelta(days=2) + (history.until - begin - timedelta(days=2)) * (len(person.registers) / ordinary)
            person.fold(council.uuid(), council.record(number, at))
        if history.seen_on is not None:
            person.fold(council.uuid(), a_visit(council, number, history.seen_on))
        if history.spoke_on is not None:
            person.fold(council.uuid(), a_call(council, number, history.spoke_on))
        self.reckoning.evaluate(key, self._now)
        return self.reckoning.stored(key)

    def snapshot(self, number: int, history: History, recorded_at: datetime, **changes: object) -> Snapshot:
        """What the case system holds: where a history says what came last, nothing that would excuse anybody from it."""
        since = (history.until - timedelta(weeks=60)).date()
        plain = {} if history.seen_on is None else {
            "category": "former_relevant", "accommodation": _PLAIN_HOME, "born_on": date(self._now.year - 19, 1, 15),
            "adviser_ref": self.council.worker(number // 15), "supported_since": since, "adviser_since": since,
            "plan_reviewed_on": self._now.date() - timedelta(days=30)}
        return self.council.snapshot(number, recorded_at, **plain | changes)

    def stored(self, history: History, people: int, first: int = 0) -> Iterator[tuple[int, KeyValue]]:
        """Partition, key and stored form of so many people, numbered from `first`."""
        different = [self.draw(first + n, history) for n in range(min(_DIFFERENT, people))]
        for number, value in zip(range(first, first + people), cycle(different), strict=False):
            key = self.council.ref(number).encode()
            yield partition_of(key), (key, value)


def a_visit(council: Council, number: int, day: date) -> Visit:
    """Seen at home by their adviser."""
    at = _noon(day)
    return Visit(record_id=council.uuid(), person_ref=council.ref(number), recorded_at=at + timedelta(hours=1), occurred_at=at,
                 worker_ref=council.worker(number // 15), worker_role="personal_adviser", location="home", outcome="seen",
                 announced=True, seen_alone=True)


def a_call(council: Council, number: int, day: date) -> Contact:
    """Spoken to by their adviser."""
    at = _noon(day)
    return Contact(record_id=council.uuid(), person_ref=council.ref(number), recorded_at=at + timedelta(hours=1), occurred_at=at,
                   worker_ref=council.worker(number // 15), worker_role="personal_adviser", channel="phone", direction="out",
                   outcome="completed")


def a_move(known: Known, number: int, history: History, serial: int, at: datetime) -> KeyValue:
    """A snapshot of somebody who has an alert open, with an adviser whom nobody else has: the alert comes anew, and says so."""
    return known.council.event(known.snapshot(number, history, at, adviser_ref=f"{_MARK}{serial:06}"))


def moved_to(record: Arrived) -> str | None:
    """The unmistakable adviser in a snapshot of a move, or in the alert that it leads to."""
    if record.value is None or _MARK.encode() not in record.value:
        return None
    message = orjson.loads(record.value)
    return str(message.get("data", message)["adviser_ref"])


def prime(settings: KafkaSettings, at: Workers, known: Known) -> int:
    """Have a worker take every partition over, read an event in each, write that down and end; returns its size in bytes.

    States can be added to the changelog then: the next worker finds them whole up to the committed offsets. The events are
    snapshots of the first few people, so that states of theirs written afterwards replace what came of them.
    """
    council = known.council
    found = dict[int, KeyValue]()
    for number in range(min(1_000, council.shape.people)):
        key, value = council.event(council.snapshot(number, NOW - timedelta(weeks=70)))
        found.setdefault(partition_of(key), (key, value))
    count = fill(settings, EVENTS, found.items())
    worker = at.start("first")
    at.wait_ready(worker)
    with Group(settings) as group:
        at.wait("first events read", lambda: group.read() >= count)
    at.wait_idle(worker)
    size = machine.resident_bytes(worker.pid)
    at.end("first")
    return size


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), LONDON).astimezone(UTC)
