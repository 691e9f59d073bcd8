"""The ladder of an alert and its calendar. Pure.

A ladder is frozen on the alert when it opens: what a council changes later is for later alerts. All instants are aware and in
UTC; days, times of day and opening hours are London's.
"""
from __future__ import annotations

import re
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
    """Steps in their order; `critical` stands instead of the first."""

    calendar: Calendar
    steps: tuple[Step, ...]
    critical: tuple[Step, ...]

    @classmethod
    def of(cls, ladder: councils.Ladder) -> Self:
        """A ladder of the councils file."""
        return cls(Calendar(ladder.calendar), _steps(ladder.steps, ""), _steps(ladder.critical, "critical"))

    def to_json(self) -> dict[str, Any]:
        """What is stored with the alert."""
        def plain(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
            return [{"key": step.key, "after": str(step.after), "to": list(step.to)} for step in steps]
        return {"calendar": str(self.calendar), "steps": plain(self.steps), "critical": plain(self.critical)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        def read(steps: list[dict[str, Any]]) -> tuple[Step, ...]:
            return tuple(Step(s["key"], Delay.parse(s["after"]), tuple(map(Target, s["to"]))) for s in steps)
        return cls(Calendar(stored["calendar"]), read(stored["steps"]), read(stored["critical"]))


def _steps(steps: list[councils.Step], name: str) -> tuple[Step, ...]:
    def key(number: int) -> str:
        if not name:
            return str(number)
        return name if number == 1 else f"{name}-{number}"
    return tuple(Step(key(n), Delay.parse(step.after), tuple(dict.fromkeys(map(Target, step.to))))
                 for n, step in enumerate(steps, 1))


def later(start: datetime, delay: Delay, calendar: Calendar) -> datetime:
    """The instant a delay after another.

    Days, weeks and working days end at the same time of day in London; with working hours a working-day delay never ends
    before opening. Seconds, minutes and hours are elapsed time.
    """
    if delay.unit in _ELAPSED:
        return start + delay.count * _ELAPSED[delay.unit]
    local = start.astimezone(LONDON)
    if delay.unit is Unit.WORKING_DAY:
        clock = local.time()
        if calendar is Calendar.WORKING_HOURS and delay.count:
            clock = max(clock, OPENS)
        return _at(add_working_days(local.date(), delay.count), clock)
    days = delay.count * (7 if delay.unit is Unit.WEEK else 1)
    return _at(local.date() + timedelta(days=days), local.time()) if days else start


def is_open(instant: datetime, calendar: Calendar) -> bool:
    """Whether messages may go out now."""
    if calendar is Calendar.ALWAYS:
        return True
    local = instant.astimezone(LONDON)
    return is_working_day(local.date()) and OPENS <= local.time() < CLOSES


def next_open(instant: datetime, calendar: Calendar) -> datetime:
    """The first instant, not before this one, at which messages may go out."""
    if is_open(instant, calendar):
        return instant
    local = instant.astimezone(LONDON)
    day = local.date()
    if not is_working_day(day) or local.time() >= OPENS:
        day = add_working_days(day, 1)
    return _at(day, OPENS)


def opening(day: date, calendar: Calendar) -> datetime:
    """The first instant on or after a day at which messages may go out."""
    return next_open(_at(day, time()), calendar)


def opening_after(instant: datetime, calendar: Calendar) -> datetime:
    """The first opening on a later day than that of an instant."""
    return opening(next_day(instant.astimezone(LONDON).date()), calendar)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock.replace(tzinfo=None), LONDON).astimezone(UTC)
