"""How long an alert takes from the event that makes it: event appended by Kafka, alert appended, alert had by a reader."""
from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog

from .events import NOW, KeyValue
from .kafka import Arrived, Tail, broker, fill
from .known import History, Known, a_call, a_move, moved_to, prime
from .rates import Row
from .steady import Steady
from .worker import WrongRun, workers

_LONGEST = 30.0
"""Seconds to wait for the last alert."""
_WARM_UP = 5
"""Seconds of the same load before it counts: a broker that has just started compiles its code in the first few."""
_ONE_IN = 10
"""Events of which one is to publish an alert: as many as in life under load, see `live`."""


def alert_delay(people: int, per_second: int, seconds: int) -> Row:
    """Everybody is overdue. Most events are calls; one in ten is a snapshot with another adviser: that alert comes anew."""
    known, count = Known(NOW, people), per_second * (_WARM_UP + seconds) // _ONE_IN
    overdue, spoken_to = (NOW - timedelta(weeks=11)).date(), (NOW - timedelta(weeks=2)).date()
    history = History(NOW - timedelta(weeks=12), overdue, spoken_to)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        prime(settings, at, known)
        fill(settings, people_changelog(), known.stored(history, people))
        worker = at.start()
        at.wait_ready(worker)
        at.wait_idle(worker)
        sys.setswitchinterval(0.0005)
        first = dict[str, Arrived]()
        events = _moves_among_calls(known, history, people, count)
        with Tail(settings, ALERTS, wait_ms=10) as tail, Steady(settings, iter(events), per_second) as load:
            deadline = time.monotonic() + _WARM_UP + seconds + _LONGEST
            while len(first) < count and time.monotonic() < deadline:
                if (alert := tail.poll_one(0.05)) is not None and (adviser := moved_to(alert)) is not None:
                    first.setdefault(adviser, alert)
            load.stop()
            if load.failed:
                raise WrongRun(f"{load.failed} events were not taken by Kafka")
        with Tail(settings, EVENTS) as tail:
            sent = {adviser: record for record in tail.to_end() if (adviser := moved_to(record)) is not None}
    begins = min(record.appended_ms for record in sent.values()) + _WARM_UP * 1000
    counted = [each for each, record in sent.items() if each in first and record.appended_ms >= begins]
    return {"events": len(counted), "per_second": per_second,
            **spread("appended", [first[each].appended_ms - sent[each].appended_ms for each in counted]),
            **spread("seen", [first[each].at * 1000 - sent[each].appended_ms for each in counted]),
            "wrong": [] if len(first) == len(sent) == count else [f"{len(first)} alerts for {len(sent)} events of {count}"]}


def _moves_among_calls(known: Known, history: History, people: int, count: int) -> list[KeyValue]:
    """Snapshots of one after another, each with an adviser whom nobody else has; before each, calls to others."""
    council, events = known.council, []
    assert history.spoke_on is not None
    for number in range(count):
        events += [council.event(a_call(council, (number * 7 + place * 1_999 + 1) % people, history.spoke_on))
                   for place in range(_ONE_IN - 1)]
        events.append(a_move(known, number % people, history, number, NOW + timedelta(milliseconds=number)))
    return events


def spread(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    """The middle, the slowest in a hundred and the slowest of all, under names that begin with `name`."""
    if len(milliseconds) < 2:
        return {}
    cuts = quantiles(milliseconds, n=100)
    shown = {"p50": cuts[49], "p99": cuts[98], "max": max(milliseconds)}
    return {f"{name}_{what}_ms": round(value, 1) for what, value in shown.items()}
