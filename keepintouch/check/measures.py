"""The three figures for a whole council, on any day of the past: in touch, in meaningful contact, seen.

Records are as they are known now, and so are the facts about people, but for their age: a file has only their newest.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from keepintouch.standards.circumstances import AGE_TOO_OLD, FIRST_AGE, age_on
from keepintouch.standards.history import History
from keepintouch.standards.instants import day_of
from keepintouch.standards.intervals import FIRST_DAY, Interval
from keepintouch.standards.ladder import BY_COUNCIL, MEETINGS
from keepintouch.standards.person import Facts, Person
from keepintouch.standards.policy import Policy
from keepintouch.standards.standing import reading_of

MONTHS = 24
_SEEN = BY_COUNCIL & MEETINGS
_STRAY = 0.005
"""Of all records, the oldest that may be mistyped dates: they do not say from when on there are records."""


class Measure(StrEnum):
    """A figure: the share of people with enough contact within a time."""

    IN_TOUCH = "in_touch"
    MEANINGFUL = "meaningful"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What everybody is held against. `headline` says what counts as in touch: the policy itself, or the one reported by."""

    policy: Policy
    headline: Policy

    def within(self, measure: Measure) -> Interval:
        """How recent a record must be; to be seen takes no longer than meaningful contact."""
        return self.headline.in_touch.within if measure is Measure.IN_TOUCH else self.policy.meaningful_within

    def days(self, history: History) -> dict[Measure, list[int]]:
        """The days of the records that count for each measure, oldest first."""
        ours, theirs = reading_of(self.policy).questions, reading_of(self.headline).questions
        return {Measure.IN_TOUCH: theirs.days(history, theirs.in_touch),
                Measure.MEANINGFUL: ours.days(history, ours.meaningful),
                Measure.SEEN: [register.day for register in history.records if register.kind in _SEEN]}

    def since(self, measure: Measure, day: int) -> int:
        """The first day whose records are recent enough on a day."""
        within = self.within(measure)
        first = within.before(day)
        while first > FIRST_DAY and within.after(first - 1) >= day:
            first -= 1
        while within.after(first) < day:
            first += 1
        return first


@dataclass(frozen=True, slots=True)
class Month:
    """How many people there were on a day, and how many of them had what; None where the records do not reach back so far."""

    day: date
    people: int
    counts: Mapping[Measure, int | None]


def months(people: Iterable[tuple[Facts, Mapping[Measure, Sequence[int]]]], yardstick: Yardstick, today: date,
           begins: int | None, untold: frozenset[Measure] = frozenset()) -> tuple[Month, ...]:
    """The ends of the last 24 months, then today.

    `begins`: from which day on there are records, see `records_begin`; None: nothing is told of the past. `untold`: what
    cannot be told of any day.
    """
    days = [*month_ends(today, MONTHS), today]
    totals = dict.fromkeys(days, 0)
    counts = {day: dict.fromkeys(Measure, 0) for day in days}
    spans = [(day, day.toordinal(), {measure: yardstick.since(measure, day.toordinal()) for measure in Measure}) for day in days]
    for facts, found in people:
        for day, number, since in spans:
            if _is_there(facts, number, day == today):
                totals[day] += 1
                for measure, counted in found.items():
                    counts[day][measure] += is_within(counted, since[measure], number)
    return tuple(Month(day, totals[day], {
        measure: count if measure not in untold and (day == today or (
            begins is not None and yardstick.within(measure).before(day.toordinal()) >= begins)) else None
        for measure, count in counts[day].items()}) for day in days)


def is_within(days: Sequence[int], first: int, last: int) -> bool:
    """Whether any of some days, oldest first, lies from one day to another."""
    return bisect_left(days, first) < bisect_right(days, last)


def month_ends(today: date, count: int) -> list[date]:
    """The last days of the months that ended before a day, oldest first; fewer at the calendar's beginning."""
    found: list[date] = []
    first = today.replace(day=1)
    while len(found) < count and first > date.min:
        found.append(first - timedelta(days=1))
        first = found[-1].replace(day=1)
    return found[::-1]


def records_begin(people: Iterable[Person]) -> int | None:
    """The day from which on there are records, but for a few stray ones; None where there is none at all."""
    found = sorted(register.occurred_at for person in people for register in person.registers.values()
                   if register.kind in BY_COUNCIL)
    return day_of(found[int(len(found) * _STRAY)]) if found else None


def _is_there(facts: Facts, day: int, is_today: bool) -> bool:
    """Whether somebody was in scope on a day, as far as one can tell now."""
    return (facts.category != "none" and facts.in_touch != "DIED" and FIRST_AGE <= age_on(facts.born_on, day) < AGE_TOO_OLD
            and (is_today or facts.supported_since <= day))
