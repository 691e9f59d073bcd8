"""Intervals as policies write them: `7d`, `8w`, `2m`, `20wd`.

Days are day numbers (`date.toordinal()`) throughout the engine; what would fall outside the calendar stays at its end.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from dateutil.relativedelta import relativedelta

from keepintouch.calendar import add_working_days

FIRST_DAY, LAST_DAY = date.min.toordinal(), date.max.toordinal()
_WRITTEN = re.compile(r"([0-9]{1,4})(wd)|([0-9]{1,6})([dwm])")


class Unit(StrEnum):
    """What an interval counts."""

    DAYS = "d"
    WEEKS = "w"
    MONTHS = "m"
    WORKING_DAYS = "wd"


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of time in whole days, weeks, calendar months or working days."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read `Nd`, `Nw` or `Nm`, N of up to six digits, or `Nwd`, of up to four; anything else is a ValueError that says so."""
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no interval: write 7d (days), 8w (weeks), 2m (months) or 20wd (working days)")
        return cls(int(found[1] or found[3]), Unit(found[2] or found[4]))

    def after(self, day: int) -> int:
        """The day this long after a day; months keep the day of the month, clamped to the month's end."""
        return _shifted(day, self.count, self.unit)

    def before(self, day: int) -> int:
        """The day this long before a day."""
        return _shifted(day, -self.count, self.unit)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    def in_words(self) -> str:
        """As one would say it: `8 weeks`, `1 working day`."""
        name = {Unit.DAYS: "day", Unit.WEEKS: "week", Unit.MONTHS: "month", Unit.WORKING_DAYS: "working day"}[self.unit]
        return f"{self.count} {name}" + ("" if self.count == 1 else "s")


NONE = Interval(0, Unit.DAYS)


@lru_cache(maxsize=262_144)
def _shifted(day: int, count: int, unit: Unit) -> int:
    if unit is Unit.DAYS or unit is Unit.WEEKS:
        return min(max(day + count * (7 if unit is Unit.WEEKS else 1), FIRST_DAY), LAST_DAY)
    if unit is Unit.WORKING_DAYS:
        return add_working_days(date.fromordinal(day), count).toordinal()
    try:
        return (date.fromordinal(day) + relativedelta(months=count)).toordinal()
    except (ValueError, OverflowError):
        return LAST_DAY if count > 0 else FIRST_DAY
