"""The headlines over time: on which days someone was in touch, in meaningful contact, seen. As `evaluate` has them, for any day.

A record that counts today counted on every day since it happened, so one pass over the records answers for all days.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from .history import History
from .intervals import Interval
from .ladder import BY_COUNCIL, RUNG_OF, Rung
from .policy import Policy


class HeadlineDays(NamedTuple):
    """Day numbers of the records that each headline rests on, oldest first."""

    in_touch: Sequence[int]
    meaningful: Sequence[int]
    seen: Sequence[int]
    """Of council-role records face to face, whoever it was."""


def headline_days(history: History, policy: Policy) -> HeadlineDays:
    """The days that count for each headline of a policy, of the records up to the history's day."""
    least = policy.in_touch.rung
    in_touch: list[int] = []
    meaningful: list[int] = []
    seen: list[int] = []
    for register in history.records:
        if register.kind not in BY_COUNCIL:
            continue
        rung, day = RUNG_OF[register.kind], register.day
        if rung >= least:
            in_touch.append(day)
        if rung >= Rung.SEEN:
            seen.append(day)
            meaningful.append(day)
        elif rung is Rung.SPOKE and history.known(register):
            meaningful.append(day)
    return HeadlineDays(in_touch, meaningful, seen)


def held_on(days: Sequence[int], within: Interval, today: int) -> bool:
    """Whether a headline held on a day: its newest record up to that day is not longer ago."""
    place = bisect_right(days, today)
    return place > 0 and within.after(days[place - 1]) >= today
