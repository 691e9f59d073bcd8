"""Midnight: everyone falls due at once, while ordinary events go on coming."""
from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import orjson

from keepintouch.calendar import london_midnight
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog
from keepintouch.standards import stored
from keepintouch.standards.identifiers import pack

from .events import NOW, KeyValue
from .kafka import Arrived, Tail, broker, fill
from .known import History, Known, a_call, a_move, moved_to, prime
from .rates import Row
from .steady import Steady
from .worker import WrongRun, workers

MIDNIGHT = london_midnight(NOW.date() + timedelta(days=2))
"""Of a Wednesday: graces are in working days, so nothing opens on a Monday."""
_EVENING = MIDNIGHT - timedelta(hours=1)
_LONG_AGO = _EVENING - timedelta(weeks=12)
_OTHERS = 2_000
"""People who are not due, and whom the events are about: of each an alert is open."""
_OVERDUE = History(_LONG_AGO, (_EVENING - timedelta(weeks=11)).date(), (_EVENING - timedelta(weeks=2)).date())
_ONE_IN = 10
"""Events of which one is to publish an alert, as in `delays`."""
_AT_REST = 8.0
_LONGEST = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is on the changelog, and who has which number."""

    known: Known
    due: int
    opening: int

    @classmethod
    def draw(cls, due: int) -> Plan:
        """One in ten is overdue from midnight on; the others are to be looked at then, and nothing comes of it."""
        return cls(Known(_EVENING, due + _OTHERS), due, due // 10)

    def write(self, settings: KafkaSettings) -> None:
        """Write everyone's state."""
        for first, people, history in (
                (0, self.opening, _history(opens=True)), (self.opening, self.due - self.opening, _history(opens=False)),
                (self.due, _OTHERS, _OVERDUE)):
            fill(settings, people_changelog(), self.known.stored(history, people, first))

    def keys(self) -> set[bytes]:
        """Who is due."""
        return {self.known.council.ref(number).encode() for number in range(self.due)}

    def events(self) -> Iterator[KeyValue]:
        """Calls to people who are not due, one after another; one in ten is a move."""
        for number in count():
            who = self.due + number % _OTHERS
            if number % _ONE_IN:
                yield self.known.council.event(a_call(self.known.council, who, _EVENING.date()))
            else:
                yield a_move(self.known, who, _OVERDUE, number, _EVENING + timedelta(milliseconds=number))


def sweep(due: int, per_second: int, lead: float) -> Row:
    """From midnight until the last alert is out and everyone has another due day; and how long what came meanwhile had to wait.

    `lead`: real seconds before midnight at which the worker starts; it has to be idle well before.
    """
    plan = Plan.draw(due)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        prime(settings, at, plan.known)
        plan.write(settings)
        midnight = time.time() + lead
        clock = f"{MIDNIGHT.isoformat()}@{datetime.fromtimestamp(midnight, UTC).isoformat()}*1"
        worker = at.start(clock=clock)
        at.wait_ready(worker)
        at.wait_idle(worker)
        if time.time() > midnight - _AT_REST - 1:
            raise WrongRun(f"only idle {midnight - time.time():.0f} s before midnight: give more than {lead:.0f} s")
        found = Night(midnight, plan.keys())
        # Who watches takes from the broker's core: the states, ten times as many, are read when the alerts are out.
        with Tail(settings, ALERTS) as alerts:
            list(alerts.to_end())
            with Steady(settings, plan.events(), per_second) as load:
                while len(found.alerts) < plan.opening and time.time() < midnight + _LONGEST:
                    found.take(alerts.poll())
                with Tail(settings, people_changelog()) as states:
                    while found.waiting and time.time() < midnight + _LONGEST:
                        found.take(states.poll())
                    load.stop()
                    found.take(states.to_end())
            found.take(alerts.to_end())
        if load.failed:
            raise WrongRun(f"{load.failed} events were not taken by Kafka")
        with Tail(settings, EVENTS) as tail:
            delays = found.delays(tail.to_end())
        return {"people": due, "opening": plan.opening, "per_second": per_second, "seconds": round(found.last - midnight, 2),
                **delays, "wrong": found.wrong(plan.opening)}


@dataclass(slots=True)
class _Delays:
    """What was waited for before midnight and after it, in milliseconds."""

    midnight: float
    last: float
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    def add(self, began_ms: int, ended_ms: int) -> None:
        if began_ms / 1000 < self.midnight - 0.5:
            self.before.append(ended_ms - began_ms)
        elif self.midnight <= began_ms / 1000 <= self.last:
            self.after.append(ended_ms - began_ms)

    def shown(self, what: str) -> Row:
        rest = median(self.before) if self.before else 0.0
        return {f"events_before{what}": len(self.before), f"events_during{what}": len(self.after),
                f"delay_at_rest{what}_ms": round(rest, 1), f"longest_at_rest{what}_ms": max(self.before, default=0),
                f"longest_delay{what}_ms": round(max(self.after, default=0) - rest, 1)}


@dataclass(slots=True)
class Night:
    """What came out around midnight (a real instant, in seconds since 1970)."""

    midnight: float
    waiting: set[bytes]
    """Who is due and was not written yet with a later day."""
    last: float = 0.0
    """When a reader had the last alert, or Kafka the last state of who was due."""
    alerts: set[bytes] = field(default_factory=set)
    """Of those who were due."""
    told: dict[str, Arrived] = field(default_factory=dict)
    """By the adviser moved to: the first alert that names them."""
    states: dict[bytes, list[Arrived]] = field(default_factory=dict)
    """Of those who were not due, in order."""

    def take(self, arrived: Iterable[Arrived]) -> None:
        """Take note of what has come."""
        today = MIDNIGHT.toordinal()
        for record in arrived:
            if record.topic == ALERTS:
                if (adviser := moved_to(record)) is not None:
                    self.told.setdefault(adviser, record)
                else:
                    self.alerts.add(record.key)
                    self.last = max(self.last, record.at)
            elif record.key in self.waiting:
                if record.value is not None and stored.header(record.value).due_on > today:
                    self.waiting.discard(record.key)
                    self.last = max(self.last, record.appended_ms / 1000)
            elif stored.is_person(record.key):
                self.states.setdefault(record.key, []).append(record)

    def wrong(self, opening: int) -> list[str]:
        """What is not as it should be."""
        wrong = [f"{len(self.waiting)} people were not looked at"] if self.waiting else []
        if len(self.alerts) != opening:
            wrong.append(f"{len(self.alerts)} alerts, not {opening}")
        return wrong

    def delays(self, events: Iterable[Arrived]) -> Row:
        """From an event's append to that of the alert it led to, and to that of the first state with it in.

        Of each the median before midnight, and the longest after it less that median.
        """
        states, alerts = _Delays(self.midnight, self.last), _Delays(self.midnight, self.last)
        for event in events:
            if (adviser := moved_to(event)) is not None:
                if adviser in self.told:
                    alerts.add(event.appended_ms, self.told[adviser].appended_ms)
            elif event.key in self.states and event.value is not None and (at := self._stored_at(event)) is not None:
                states.add(event.appended_ms, at)
        return {**alerts.shown(""), **states.shown("_of_states")}

    def _stored_at(self, event: Arrived) -> int | None:
        record = pack(orjson.loads(event.value or b"")["data"].get("record_id", ""))
        return next((state.appended_ms for state in self.states[event.key] if state.appended_ms >= event.appended_ms
                     and record in stored.load(state.value or b"").registers), None)


def _history(opens: bool) -> History:
    """One by which somebody has to be looked at first thing after midnight, and an alert opens then or does not."""
    for days in range(20, 80):
        seen_on: date = _EVENING.date() - timedelta(days=days)
        history = History(_LONG_AGO, seen_on, _EVENING.date() - timedelta(days=6) if opens else None)
        known = Known(_EVENING, 1)
        known.draw(0, history)
        key = known.council.ref(0).encode()
        ledger = known.reckoning.people[key].ledger
        quiet = ledger is not None and not ledger.open and known.reckoning.due_on[key] == MIDNIGHT.toordinal()
        if quiet and len(known.reckoning.evaluate(key, MIDNIGHT)) == int(opens):
            return history
    raise AssertionError("there is such a day")
