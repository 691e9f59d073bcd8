"""Midnight: everyone falls due at once, while ordinary events go on coming."""
from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from keepintouch.calendar import london_day, london_midnight
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog
from keepintouch.standards import stored
from keepintouch.standards.identifiers import pack

from .events import NOW, KeyValue
from .kafka import Arrived, Tail, broker, fill
from .known import History, Known, a_call, prime
from .rates import Row
from .steady import Steady
from .worker import Worker, Workers, WrongRun, workers

MIDNIGHT = london_midnight(NOW.date())
_EVENING = MIDNIGHT - timedelta(hours=1)
_OTHERS = 2_000
"""People who are not due, and whom the events are about."""
_AT_REST = 8.0
_AFTERWARDS = 2.0
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
        opens_on, changes_on = _seen_on(opens=True), _seen_on(opens=False)
        until, call = _EVENING - timedelta(weeks=12), _EVENING.date() - timedelta(days=6)
        for first, people, history in (
                (0, self.opening, History(until, opens_on, call)), (self.opening, self.due - self.opening, History(until, changes_on)),
                (self.due, _OTHERS, History(until, _EVENING.date() - timedelta(days=3)))):
            fill(settings, people_changelog(), self.known.stored(lambda _, history=history: history, people, first))

    def events(self) -> Iterator[KeyValue]:
        """Calls to people who are not due, one after another."""
        council = self.known.council
        for number in count():
            call = a_call(council, self.due + number % _OTHERS, _EVENING.date())
            yield council.event(call)


def sweep(due: int, per_second: int, lead: float) -> Row:
    """From midnight until the last alert is out and everyone has another due day; and the longest delay of an event meanwhile.

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
        with Tail(settings, ALERTS, people_changelog()) as tail:
            list(tail.to_end())
            with Steady(settings, plan.events(), per_second) as load:
                found = _watch(tail, plan, midnight, at, worker)
            if load.failed:
                raise WrongRun(f"{load.failed} events were not taken by Kafka")
            found.records += tail.to_end()
        with Tail(settings, EVENTS) as tail:
            return found.row(list(tail.to_end()), load.sent)
