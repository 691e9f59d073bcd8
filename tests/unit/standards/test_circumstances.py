"""A person's age, scope and opt-out on a day."""

from datetime import date
from typing import Any

import pytest

from keepintouch.standards.circumstances import age_on, circumstances, next_birthday, opt_out_review_on
from keepintouch.standards.intervals import LAST_DAY

from .told import facts


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


@pytest.mark.parametrize(("born", "day", "age"), [
    ("2008-06-13", "2024-06-12", 15), ("2008-06-13", "2024-06-13", 16), ("2008-06-13", "2024-06-14", 16),
    ("2000-02-29", "2024-02-28", 23), ("2000-02-29", "2024-02-29", 24), ("2000-02-29", "2025-02-28", 24),
    ("2000-02-29", "2025-03-01", 25), ("2024-12-31", "2024-01-01", -1)])
def test_age_is_in_whole_years(born: str, day: str, age: int) -> None:
    assert age_on(number(born), number(day)) == age


@pytest.mark.parametrize(("born", "day", "birthday"), [
    ("2008-06-13", "2024-06-12", "2024-06-13"), ("2008-06-13", "2024-06-13", "2025-06-13"),
    ("2008-12-31", "2024-12-31", "2025-12-31"), ("2000-02-29", "2024-02-28", "2024-02-29"),
    ("2000-02-29", "2024-02-29", "2025-03-01"), ("2000-02-29", "2025-02-28", "2025-03-01"),
    ("2000-02-29", "2025-03-01", "2026-03-01")])
def test_next_birthday(born: str, day: str, birthday: str) -> None:
    assert next_birthday(number(born), number(day)) == number(birthday)


@pytest.mark.parametrize("born", ["2000-02-29", "2000-01-01", "2000-03-05"])
def test_age_changes_on_birthdays_only(born: str) -> None:
    day, end = number("2023-01-01"), number("2029-01-01")
    while day < end:
        birthday = next_birthday(number(born), day)
        assert age_on(number(born), birthday - 1) == age_on(number(born), day) == age_on(number(born), birthday) - 1
        day = birthday


@pytest.mark.parametrize("born", ["9980-02-29", "9980-06-13"])
def test_the_calendar_s_last_year_has_no_next_birthday(born: str) -> None:
    assert next_birthday(number(born), number("9999-12-30")) == LAST_DAY


@pytest.mark.parametrize(("changes", "day", "opted_out"), [
    ({"in_touch": "YES", "opt_out_review_on": "2024-12-31"}, "2024-06-13", False),
    ({"in_touch": "DIED", "opt_out_review_on": "2024-12-31"}, "2024-06-13", False),
    *[({"in_touch": code, "opt_out_review_on": "2024-06-13"}, "2024-06-13", True) for code in ("REFU", "NREQ", "RHOM")],
    ({"in_touch": "REFU", "opt_out_review_on": "2024-06-13"}, "2024-06-14", False),
    ({"in_touch": "REFU", "opt_out_review_on": "2024-06-12", "in_touch_since": "2024-06-01"}, "2024-06-13", False),
    ({"in_touch": "REFU", "in_touch_since": "2023-12-13"}, "2024-06-13", True),
    ({"in_touch": "REFU", "in_touch_since": "2023-12-12"}, "2024-06-13", False),
    ({"in_touch": "REFU", "supported_since": "2023-12-13"}, "2024-06-13", True),
    ({"in_touch": "REFU", "supported_since": "2023-12-12"}, "2024-06-13", False)])
def test_an_opt_out_lapses(changes: dict[str, Any], day: str, opted_out: bool) -> None:
    assert circumstances(facts(**changes), number(day)).opted_out is opted_out


def test_an_opt_out_is_looked_at_again_six_months_after_it_was_set() -> None:
    assert opt_out_review_on(facts(in_touch_since="2023-08-31")) == number("2024-02-29")


@pytest.mark.parametrize(("changes", "in_scope"), [
    ({}, True), ({"category": "none"}, False), ({"in_touch": "DIED"}, False), ({"in_touch": "REFU"}, True),
    ({"born_on": "2008-06-14"}, False), ({"born_on": "2008-06-13"}, True), ({"born_on": "1999-06-14"}, True),
    ({"born_on": "1999-06-13"}, False)])
def test_scope(changes: dict[str, Any], in_scope: bool) -> None:
    assert circumstances(facts(**changes), number("2024-06-13")).in_scope is in_scope


def test_without_a_home() -> None:
    now = circumstances(facts(accommodation=None), number("2024-06-13"))
    assert (now.council_provided, now.hostel, now.suitable, now.code, now.moved_on) == (False, False, None, None, None)


def test_a_wish_not_to_be_met_holds_to_its_last_day() -> None:
    stated = facts(no_face_to_face_until="2024-06-13")
    days = [number("2024-06-13") + more for more in (-1, 0, 1)]
    assert [circumstances(stated, day).no_face_to_face for day in days] == [True, True, False]
    assert not circumstances(facts(), number("2024-06-13")).no_face_to_face
