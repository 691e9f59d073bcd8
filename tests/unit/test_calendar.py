"""London's days, and the working days of England."""

from datetime import UTC, date, datetime

import pytest

from keepintouch.calendar import add_working_days, is_working_day, london_day, london_midnight, next_day


@pytest.mark.parametrize(("instant", "day"), [
    ("2024-01-15T23:59:59Z", "2024-01-15"),
    ("2024-06-12T22:59:59Z", "2024-06-12"),
    ("2024-06-12T23:00:00Z", "2024-06-13"),        # an hour before midnight in Greenwich is midnight in London
    ("2024-06-13T05:30:00+09:00", "2024-06-12"),
    ("2024-03-31T00:30:00Z", "2024-03-31"),        # half an hour before the clocks go forward
    ("2024-03-30T23:30:00Z", "2024-03-30"),
    ("2024-10-26T23:30:00Z", "2024-10-27"),
    ("2024-10-27T23:30:00Z", "2024-10-27"),        # the day has 25 hours
    ("0001-01-01T00:00:00+10:00", "0001-01-01"),   # no instant in UTC: the nearest day there is
    ("9999-12-31T23:00:00-10:00", "9999-12-31"),
])
def test_london_day(instant: str, day: str) -> None:
    assert london_day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


@pytest.mark.parametrize(("day", "instant"), [
    ("2024-01-15", "2024-01-15T00:00:00+00:00"), ("2024-06-13", "2024-06-12T23:00:00+00:00"),
    ("2024-03-31", "2024-03-31T00:00:00+00:00"), ("2024-10-27", "2024-10-26T23:00:00+00:00"),
])
def test_london_midnight(day: str, instant: str) -> None:
    midnight = london_midnight(date.fromisoformat(day))
    assert (midnight, midnight.tzinfo) == (datetime.fromisoformat(instant), UTC)
    assert london_day(midnight) == date.fromisoformat(day)


@pytest.mark.parametrize(("day", "works"), [
    ("2024-06-14", True), ("2024-06-15", False), ("2024-06-16", False), ("2024-06-17", True),
    ("2024-03-29", False), ("2024-04-01", False),  # Good Friday and Easter Monday
    ("2021-12-27", False), ("2021-12-28", False),  # Christmas and Boxing Day fell on a weekend
    ("2022-06-02", False), ("2022-05-30", True),   # moved for a jubilee
    ("2022-09-19", False), ("2023-05-08", False),  # a funeral and a coronation, once each
    ("2024-01-02", True),                          # a holiday in Scotland only
    ("2024-03-18", True),                          # a holiday in Northern Ireland only
])
def test_working_days_are_england_s(day: str, works: bool) -> None:
    assert is_working_day(date.fromisoformat(day)) is works


@pytest.mark.parametrize(("start", "count", "end"), [
    ("2024-06-15", 0, "2024-06-15"),   # none at all is the day itself, be it a Saturday
    ("2024-06-14", 1, "2024-06-17"), ("2024-06-15", 1, "2024-06-17"), ("2024-06-17", 1, "2024-06-18"),
    ("2024-12-20", 5, "2024-12-31"), ("2024-03-27", 5, "2024-04-05"), ("2024-05-24", 2, "2024-05-29"),
    ("2024-05-15", 20, "2024-06-13"),
    ("2024-06-17", -1, "2024-06-14"), ("2024-06-16", -1, "2024-06-14"), ("2024-01-02", -5, "2023-12-21"),
])
def test_adding_working_days(start: str, count: int, end: str) -> None:
    assert add_working_days(date.fromisoformat(start), count) == date.fromisoformat(end)


def test_the_calendar_ends_and_nothing_lies_beyond() -> None:
    assert next_day(date(2024, 2, 28)) == date(2024, 2, 29)
    assert next_day(date.max) == date.max
    assert add_working_days(date(9999, 12, 30), 5) == date.max
    assert add_working_days(date.max, 1) == date.max
    assert add_working_days(date(1, 1, 2), -5) == date.min
