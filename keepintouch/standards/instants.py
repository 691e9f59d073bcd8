"""Instants as the stored form has them: whole microseconds since 1970, UTC."""
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from keepintouch.calendar import london_day, london_midnight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _MICROSECOND
_AFTER_EVERYTHING = 2**63


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """The instant, in UTC, of microseconds since 1970."""
    return _EPOCH + microseconds * _MICROSECOND


def day_of(microseconds: int) -> int:
    """The London day number of microseconds since 1970."""
    return _day_of_hour(microseconds // _HOUR)


@lru_cache(maxsize=65_536)
def _day_of_hour(hour: int) -> int:
    """The London day number of an hour counted from 1970: clocks have changed on the hour since the railways' time of 1847."""
    return london_day(instant(hour * _HOUR)).toordinal()


@lru_cache(maxsize=1024)
def first_instant(day: int) -> int:
    """When a London day begins, in microseconds since 1970; after everything, for a day past the calendar's end."""
    return microseconds(london_midnight(date.fromordinal(day))) if day <= date.max.toordinal() else _AFTER_EVERYTHING
