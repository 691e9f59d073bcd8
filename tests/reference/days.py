"""London days and intervals: the second, naive reading."""

import calendar
import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays

LONDON = ZoneInfo("Europe/London")
BANK_HOLIDAYS = holidays.country_holidays("GB", subdiv="ENG", years=range(1990, 2060))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day_of(text: str) -> date:
    """The London day of an instant."""
    return instant(text).astimezone(LONDON).date()


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def add(start: date, interval: str) -> date:
    """`start` and an interval of days, weeks, calendar months or working days."""
    match = re.fullmatch(r"(\d+)(d|wd|w|m)", interval)
    assert match, interval
    number, unit = int(match[1]), match[2]
    if unit == "d":
        return start + timedelta(days=number)
    if unit == "w":
        return start + timedelta(days=7 * number)
    if unit == "m":
        months = start.year * 12 + start.month - 1 + number
        year, month = months // 12, months % 12 + 1
        return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))
    end = start
    while number > 0:
        end += timedelta(days=1)
        if end.weekday() < 5 and end not in BANK_HOLIDAYS:
            number -= 1
    return end
