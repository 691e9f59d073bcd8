"""London days and England's working days: once, for everybody."""
from __future__ import annotations

from collections.abc import Container
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
_SATURDAY = 5


def london_day(instant: datetime) -> date:
    """The Europe/London date of an aware instant (the nearest date there is, at the very ends of the calendar)."""
    try:
        return instant.astimezone(LONDON).date()
    except OverflowError:
        return instant.date()


def london_midnight(day: date) -> datetime:
    """The first instant of a London day, in UTC."""
    return datetime.combine(day, time(), LONDON).astimezone(UTC)


@cache
def _bank_holidays() -> Container[date]:
    """England's; the library takes a second to import, so not before it is needed."""
    import holidays

    return holidays.country_holidays("GB", subdiv="ENG")


@lru_cache(maxsize=16_384)
def is_working_day(day: date) -> bool:
    """Monday to Friday without England's bank holidays (substitute days and one-off ones included)."""
    return day.weekday() < _SATURDAY and day not in _bank_holidays()


@lru_cache(maxsize=65_536)
def add_working_days(day: date, count: int) -> date:
    """The count-th working day after a day (before it, where negative); counting starts beside it, and 0 is the day itself."""
    end, step = (date.max, 1) if count > 0 else (date.min, -1)
    while count and day != end:
        day += timedelta(days=step)
        count -= step * is_working_day(day)
    return day


def next_day(day: date) -> date:
    """The day after; the calendar's last day has none and stays."""
    return day if day == date.max else day + timedelta(days=1)
