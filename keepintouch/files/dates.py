"""Days and times as people and case systems write them, read by the formats that a mapping names and by no other.

A day that could be read in two ways is never guessed at: `03/04/2026` is what the mapping's format says it is, and where the
format does not fit, the row is rejected with what is wrong.
"""
from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache

from keepintouch.calendar import LONDON

from .rows import Cell

FORMATS = ("yyyy-mm-dd", "dd/mm/yyyy")
"""What is understood without a mapping: ISO 8601, and days as they are written in England."""
SERIAL = "serial"
"""The format of a bare number of days since the end of 1899, which spreadsheets keep days as."""
NO_DAY = date(1900, 1, 1)
"""What case systems write for a day that is not known."""
NOON = time(12)
"""Stands in for the time of day where a file has none."""

_TOKEN = re.compile(r"yyyy|yy|mon|mm|m|dd|d", re.IGNORECASE)
_PARTS = {"yyyy": r"(?P<year>\d{4})", "yy": r"(?P<short>\d\d)", "mon": r"(?P<name>[a-z]{3,9})", "mm": r"(?P<month>\d{1,2})",
          "m": r"(?P<month>\d{1,2})", "dd": r"(?P<day>\d{1,2})", "d": r"(?P<day>\d{1,2})"}
_TIME = (r"(?:[t ,]\s*(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?P<fraction>[.,]\d{1,9})?)?"
         r"\s*(?P<half>[ap]m)?\s*(?P<zone>z|utc|gmt|[+-]\d\d:?\d\d)?)?")
_ONLY_TIME = re.compile(r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?P<fraction>[.,]\d{1,9})?)?"
                        r"\s*(?P<half>[ap]m)?", re.IGNORECASE)
_PLAIN_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_MONTHS = {name: number for number, names in enumerate(
    ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"), 1)
    for name in (names, names[:3], names[:4])}
_NUMBER = re.compile(r"\d{4,6}(\.\d+)?")
_SERIAL_START = datetime(1899, 12, 30)   # noqa: DTZ001 -- a spreadsheet's own clock has no zone
_YEARS = (1900, 2199)
_OFF = "has a year before 1900 or after 2199"
_SERIALS = (3_654, 109_575)   # 1910 to 2199


class Unreadable(ValueError):  # noqa: N818 -- it says what a cell is
    """A cell that cannot be read as what it should be; the message says why, and never repeats it."""


class Dates:
    """Reads days and instants by formats such as `dd/mm/yyyy`, `d mon yyyy`, `yyyy-mm-dd` and `serial`, tried in order.

    A time of day may always follow, on 12 or 24 hours, with or without an offset; without one it is London's.
    Raises ValueError for a format that has no day, month and year.
    """

    def __init__(self, formats: tuple[str, ...] = FORMATS) -> None:
        self._serial = SERIAL in formats
        self.formats = formats
        self._patterns = [_compiled(each) for each in formats if each != SERIAL]
        self._read_text = lru_cache(maxsize=65_536)(self._parsed)

    def day(self, cell: Cell) -> date:
        """The day in a cell. Raises Unreadable."""
        found = self._naive(cell)
        return found.date() if found.tzinfo is None else found.astimezone(LONDON).date()

    def instant(self, cell: Cell, clock: Cell | None = None) -> datetime:
        """The instant in a cell, in UTC, with the time of day from another cell if there is one; without any it is noon.

        Raises Unreadable.
        """
        found = self._naive(cell)
        if clock is not None and clock != "":
            found = datetime.combine(found.date(), _clock(clock))
        elif found.time() == time() and found.tzinfo is None:   # databases write midnight where they have a day only
            found = datetime.combine(found.date(), NOON)
        try:
            return (found.replace(tzinfo=LONDON) if found.tzinfo is None else found).astimezone(UTC)
        except OverflowError:
            raise Unreadable("is beyond the calendar") from None

    def _naive(self, cell: Cell) -> datetime:
        if isinstance(cell, date):
            if not _YEARS[0] <= cell.year <= _YEARS[1]:
                raise Unreadable(_OFF)
            return cell if isinstance(cell, datetime) else datetime.combine(cell, time())
        if isinstance(cell, str):
            return self._of_text(cell.strip())
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return self._from_serial(float(cell))
        raise Unreadable("is not a day")

    def _of_text(self, text: str) -> datetime:
        day, _, clock = text.partition(" ")
        if (at := _plain_time(clock)) is not None:   # days and minutes are few, instants are many: each is read once
            with contextlib.suppress(Unreadable):   # which is told of the whole
                found = self._read_text(day)
                if found.tzinfo is None and found.time() == time():
                    return datetime.combine(found, at)
        return self._read_text(text)

    def _from_serial(self, number: float) -> datetime:
        if not _SERIALS[0] <= number <= _SERIALS[1]:
            raise Unreadable("is a number, not a day")
        if not self._serial:
            raise Unreadable("is a number, as spreadsheets keep days: format the column as a date, or add `serial` to `dates` "
                             "in the mapping")
        seconds = round(number * 86_400)
        return _SERIAL_START + timedelta(seconds=seconds)

    def _parsed(self, text: str) -> datetime:
        lower = text.lower()
        wrong = None
        for pattern in self._patterns:
            if (found := pattern.fullmatch(lower)) is not None:
                try:
                    return _built(found.groupdict())
                except ValueError as error:
                    wrong = wrong or str(error)
        if wrong is not None:
            raise Unreadable(wrong)
        if _NUMBER.fullmatch(lower):
            return self._from_serial(float(lower))
        if re.fullmatch(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}(\D.*)?", lower):
            raise Unreadable("has a year of two digits: if that is meant, add its format (such as dd/mm/yy) to `dates` in "
                             "the mapping")
        raise Unreadable(f"is not a day written as {' or '.join(self.formats)}")


def _compiled(format_: str) -> re.Pattern[str]:
    parts, at, tokens = [], 0, set()
    for token in _TOKEN.finditer(format_):
        parts += [re.escape(format_[at:token.start()].lower()), _PARTS[token[0].lower()]]
        tokens.add(token[0].lower())
        at = token.end()
    if not (tokens & {"yyyy", "yy"} and tokens & {"mon", "mm", "m"} and tokens & {"dd", "d"}) or len(tokens) != 3:
        raise ValueError(f"{format_!r} is no format of a day: write it with dd, mm (or mon) and yyyy, as in dd/mm/yyyy")
    return re.compile("".join(parts) + re.escape(format_[at:].lower()) + _TIME)


def _built(part: dict[str, str | None]) -> datetime:
    """The moment that these parts say; ValueError says what is wrong with them."""
    if part.get("short") is not None:
        year = 2000 + int(part["short"] or 0)
        year -= 100 if year > 2060 else 0
    else:
        year = int(part["year"] or 0)
    month = _MONTHS.get(part.get("name") or "", 0) if part.get("name") else int(part.get("month") or 0)
    day = int(part["day"] or 0)
    if not 1 <= month <= 12:
        swapped = " (are day and month the other way round?)" if 1 <= day <= 12 and month > 12 else ""
        raise ValueError(f"has no such month{swapped}")
    if not _YEARS[0] <= year <= _YEARS[1]:
        raise ValueError(_OFF)
    try:
        clock = _time_of(part) if part.get("hour") is not None else time()
        found = datetime.combine(date(year, month, day), clock)
    except ValueError as error:
        raise ValueError(str(error) if "time" in str(error) else "has no such day") from None
    return found if part.get("zone") is None else found.replace(tzinfo=_zone(str(part["zone"])))


def _time_of(part: dict[str, str | None]) -> time:
    hour, half = int(part["hour"] or 0), part.get("half")
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError("has no such time of day")
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    fraction = (part.get("fraction") or ".0")[1:7].ljust(6, "0")
    try:
        return time(hour, int(part["minute"] or 0), int(part.get("second") or 0), int(fraction))
    except ValueError:
        raise ValueError("has no such time of day") from None


@lru_cache(maxsize=4_096)
def _plain_time(text: str) -> time | None:
    """A time of day as most are written, hh:mm or hh:mm:ss; None for any other text."""
    if _PLAIN_TIME.fullmatch(text) is None:
        return None
    with contextlib.suppress(ValueError):
        return time.fromisoformat(text)
    return None


def _zone(text: str) -> timezone:
    if text in ("z", "utc", "gmt"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError("has no such offset from the time of day in UTC")
    return timezone(sign * timedelta(hours=hours, minutes=minutes))


def _clock(cell: Cell) -> time:
    if isinstance(cell, datetime):
        return cell.time()
    if isinstance(cell, time):
        return cell
    if isinstance(cell, timedelta) and timedelta(0) <= cell < timedelta(days=1):
        return (_SERIAL_START + cell).time()
    if isinstance(cell, int | float) and not isinstance(cell, bool) and 0 <= cell < 1:
        return (_SERIAL_START + timedelta(seconds=round(cell * 86_400))).time()
    if isinstance(cell, str) and (at := _plain_time(cell)) is not None:
        return at
    if isinstance(cell, str) and (found := _ONLY_TIME.fullmatch(cell.strip())) is not None:
        try:
            return _time_of(found.groupdict())
        except ValueError as error:
            raise Unreadable(str(error)) from None
    raise Unreadable("is not a time of day written as hh:mm")
