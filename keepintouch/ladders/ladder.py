"""The ladder of an alert and its calendar. Pure.

A ladder is frozen on the alert when it opens: what a council changes later is for later alerts. All instants are aware and in
UTC; days, times of day and opening hours are London's.
"""
from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Self

from keepintouch import councils
from keepintouch.calendar import LONDON, add_working_days, is_working_day, next_day

OPENS, CLOSES = time(8, 30), time(18)
"""Working hours, Monday to Friday without England's bank holidays; the closing minute is outside."""


class Unit(StrEnum):
    """What a delay counts."""

    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"
    DAY = "d"
    WEEK = "w"
    WORKING_DAY = "wd"


class Calendar(StrEnum):
    """When messages may go out."""

    WORKING_HOURS = "working_hours"
    ALWAYS = "always"


class Target(StrEnum):
    """Whom a step is for, seen from the alert."""

    ADVISER = "adviser"
    MANAGER = "manager"
    SERVICE_MANAGER = "service_manager"


_ELAPSED = {Unit.SECOND: timedelta(seconds=1), Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Delay:
    """A length of time as ladders write it: `0d`, `2wd`, `30min`."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number and a unit; the councils file has already been checked."""
        found = re.fullmatch(r"(\d+)([a-z]+)", text)
        if found is None:
            raise ValueError(f"{text!r} is not a delay")
        return cls(int(found[1]), Unit(found[2]))

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its key in dedupe keys and records (`1`, `2`, ..., `critical`), when, and for whom."""

    key: str
    after: Delay
    to: tuple[Target, ...]

    @property
    def to_managers(self) -> bool:
        """Whether a manager of any level hears with this step."""
        return Target.MANAGER in self.to or Target.SERVICE_MANAGER in self.to


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps in their order; `critical` stands instead of the first; `weekly`: whether there is a weekly message, too."""

    calendar: Calendar
    steps: tuple[Step, ...]
    critical: tuple[Step, ...]
    closed: frozenset[date] = frozenset()
    weekly: bool = False

    @classmethod
    def of(cls, ladder: councils.Ladder, closed: Iterable[date] = ()) -> Self:
        """A ladder of the councils file, for a council that is closed on these days."""
        return cls(Calendar(ladder.calendar), _steps(ladder.steps, ""), _steps(ladder.critical, "critical"), frozenset(closed),
                   ladder.weekly is not None)

    @classmethod
    def of_council(cls, file: councils.Councils, slug: str) -> Self:
        """The ladder of a council as its file has it now."""
        return cls.of(file.ladder_of(slug), file.councils[slug].closed)

    def later(self, start: datetime, delay: Delay) -> datetime:
        """The instant a delay after another, by this ladder's calendar."""
        return later(start, delay, self.calendar, self.closed)

    def to_json(self) -> dict[str, Any]:
        """What is stored with the alert."""
        def plain(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
            return [{"key": step.key, "after": str(step.after), "to": list(step.to)} for step in steps]
        stored = {"calendar": str(self.calendar), "steps": plain(self.steps), "critical": plain(self.critical),
                  "weekly": self.weekly}
        return stored | ({"closed": sorted(map(str, self.closed))} if self.closed else {})

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        def read(steps: list[dict[str, Any]]) -> tuple[Step, ...]:
            return tuple(Step(s["key"], Delay.parse(s["after"]), tuple(map(Target, s["to"]))) for s in steps)
        return cls(Calendar(stored["calendar"]), read(stored["steps"]), read(stored["critical"]),
                   frozenset(map(date.fromisoformat, stored.get("closed", ()))), stored.get("weekly", False))


def _steps(steps: list[councils.Step], name: str) -> tuple[Step, ...]:
    def key(number: int) -> str:
        if not name:
            return str(number)
        return name if number == 1 else f"{name}-{number}"
    return tuple(Step(key(n), Delay.parse(step.after), tuple(dict.fromkeys(map(Target, step.to))))
                 for n, step in enumerate(steps, 1))


def later(start: datetime, delay: Delay, calendar: Calendar, closed: Container[date] = ()) -> datetime:
    """The instant a delay after another.

    Days, weeks and working days end at the same time of day in London; with working hours a working-day delay never ends
    before opening. Seconds, minutes and hours are elapsed time. `closed`: days that are no working days of the council.
    """
    if delay.unit in _ELAPSED:
        return start + delay.count * _ELAPSED[delay.unit]
    local = start.astimezone(LONDON)
    if delay.unit is Unit.WORKING_DAY:
        clock = local.time()
        if calendar is Calendar.WORKING_HOURS and delay.count:
            clock = max(clock, OPENS)
        return _at(_working_days_later(local.date(), delay.count, closed), clock)
    days = delay.count * (7 if delay.unit is Unit.WEEK else 1)
    return _at(local.date() + timedelta(days=days), local.time()) if days else start


def is_working(day: date, closed: Container[date] = ()) -> bool:
    """Whether a council works on a day."""
    return is_working_day(day) and day not in closed


def is_open(instant: datetime, calendar: Calendar, closed: Container[date] = ()) -> bool:
    """Whether messages may go out now."""
    if calendar is Calendar.ALWAYS:
        return True
    local = instant.astimezone(LONDON)
    return is_working(local.date(), closed) and OPENS <= local.time() < CLOSES


def next_open(instant: datetime, calendar: Calendar, closed: Container[date] = ()) -> datetime:
    """The first instant, not before this one, at which messages may go out."""
    if is_open(instant, calendar, closed):
        return instant
    local = instant.astimezone(LONDON)
    day = local.date()
    if not is_working(day, closed) or local.time() >= OPENS:
        day = _working_days_later(day, 1, closed)
    return _at(day, OPENS)


def opening(day: date, calendar: Calendar, closed: Container[date] = ()) -> datetime:
    """The first instant on or after a day at which messages may go out."""
    return next_open(_at(day, time()), calendar, closed)


def opens_at(day: date) -> datetime:
    """The opening instant of a day, whether or not anybody works on it."""
    return _at(day, OPENS)


def opening_after(instant: datetime, calendar: Calendar, closed: Container[date] = ()) -> datetime:
    """The first opening on a later day than that of an instant."""
    return opening(next_day(instant.astimezone(LONDON).date()), calendar, closed)


def _working_days_later(day: date, count: int, closed: Container[date]) -> date:
    if not closed:
        return add_working_days(day, count)
    for _ in range(count):
        day = add_working_days(day, 1)
        while day in closed:
            day = add_working_days(day, 1)
    return day


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock.replace(tzinfo=None), LONDON).astimezone(UTC)
