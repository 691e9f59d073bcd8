"""Intervals: how they are written, and where they lead."""

from datetime import date

import pytest

from keepintouch.standards.intervals import FIRST_DAY, LAST_DAY, Interval, Unit


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


@pytest.mark.parametrize(("text", "count", "unit"), [
    ("0d", 0, Unit.DAYS), ("7d", 7, Unit.DAYS), ("8w", 8, Unit.WEEKS), ("12m", 12, Unit.MONTHS), ("20wd", 20, Unit.WORKING_DAYS),
    ("36500d", 36_500, Unit.DAYS), ("08w", 8, Unit.WEEKS)])
def test_what_is_an_interval(text: str, count: int, unit: Unit) -> None:
    interval = Interval.parse(text)
    assert (interval.count, interval.unit) == (count, unit)
    assert str(interval) == f"{count}{unit}"


@pytest.mark.parametrize("text", ["", "7", "d", "8 weeks", "8W", "-1d", "1.5d", " 7d", "7d ", "7d\n", "10000wd", "7dw", "٧d"])
def test_what_is_none_is_said_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no interval: write 7d \(days\)"):
        Interval.parse(text)


@pytest.mark.parametrize(("start", "text", "end"), [
    ("2024-02-28", "1d", "2024-02-29"), ("2023-12-31", "1w", "2024-01-07"), ("2024-05-15", "4w", "2024-06-12"),
    ("2023-08-31", "6m", "2024-02-29"), ("2022-08-31", "6m", "2023-02-28"), ("2024-01-31", "1m", "2024-02-29"),
    ("2024-02-29", "12m", "2025-02-28"), ("2024-12-15", "2m", "2025-02-15"), ("2024-05-24", "2wd", "2024-05-29")])
def test_the_day_after(start: str, text: str, end: str) -> None:
    assert Interval.parse(text).after(number(start)) == number(end)


@pytest.mark.parametrize(("end", "text", "start"), [
    ("2024-03-01", "1d", "2024-02-29"), ("2024-01-07", "1w", "2023-12-31"), ("2024-03-31", "1m", "2024-02-29"),
    ("2024-06-14", "5wd", "2024-06-07"), ("2024-06-17", "1wd", "2024-06-14"), ("2024-06-16", "1wd", "2024-06-14"),
    ("2024-05-29", "2wd", "2024-05-24"), ("2024-05-29", "0wd", "2024-05-29")])
def test_the_day_before(end: str, text: str, start: str) -> None:
    assert Interval.parse(text).before(number(end)) == number(start)


def test_what_would_leave_the_calendar_stays_at_its_end() -> None:
    for text in ("9999d", "9999w", "9999m", "9999wd"):
        assert Interval.parse(text).after(LAST_DAY - 1) == LAST_DAY
        assert Interval.parse(text).before(FIRST_DAY + 1) == FIRST_DAY
    assert Interval.parse("9999m").after(number("9500-01-01")) == LAST_DAY


@pytest.mark.parametrize(("text", "words"), [
    ("1d", "1 day"), ("0d", "0 days"), ("8w", "8 weeks"), ("1m", "1 month"), ("1wd", "1 working day"), ("5wd", "5 working days")])
def test_in_words(text: str, words: str) -> None:
    assert Interval.parse(text).in_words() == words
