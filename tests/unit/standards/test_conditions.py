"""Conditions: each holds where it should, and none about an unknown fact does."""

from datetime import date
from typing import Any

import pytest

from keepintouch.standards.circumstances import circumstances
from keepintouch.standards.conditions import TESTS, Conditions
from keepintouch.standards.intervals import Interval

from .told import facts, home

TODAY = date(2024, 6, 13).toordinal()
FORTNIGHT = Interval.parse("14d")


def holds(name: str, wanted: Any, **changes: Any) -> bool:
    return Conditions(((name, wanted),)).failing(circumstances(facts(**changes), TODAY)) is None


@pytest.mark.parametrize(("name", "wanted", "changes", "expected"), [
    ("ages", (19, 20), {}, True), ("ages", (20, 24), {}, False), ("ages", (16, 19), {}, True), ("ages", (16, 18), {}, False),
    ("categories", ("relevant", "former_relevant"), {}, True), ("categories", ("qualifying",), {}, False),
    ("council_provided", True, {"accommodation": home(council_provided=True)}, True), ("council_provided", True, {}, False),
    ("council_provided", False, {}, True), ("council_provided", False, {"accommodation": None}, True),
    ("accommodation", ("W", "X"), {"accommodation": home(code="X")}, True), ("accommodation", ("W", "X"), {}, False),
    ("accommodation", ("W", "X"), {"accommodation": home(code=None)}, False),
    ("accommodation", ("W", "X"), {"accommodation": None}, False),
    ("hostel", True, {"accommodation": home(hostel=True)}, True), ("hostel", False, {"accommodation": None}, True),
    ("hostel", False, {"accommodation": home(hostel=True)}, False),
    ("suitable", False, {"accommodation": home(suitable=False)}, True), ("suitable", True, {}, True),
    ("suitable", False, {"accommodation": home(suitable=None)}, False),
    ("suitable", True, {"accommodation": home(suitable=None)}, False), ("suitable", False, {"accommodation": None}, False),
    ("need", ("standard",), {}, True), ("need", ("enhanced", "high"), {}, False), ("need", ("high",), {"need": "high"}, True),
    ("looked_after", True, {}, False), ("looked_after", False, {}, True), ("looked_after", True, {"looked_after": True}, True),
    ("no_face_to_face", True, {}, False), ("no_face_to_face", False, {}, True),
    ("no_face_to_face", True, {"no_face_to_face_until": "2024-06-13"}, True),
    ("no_face_to_face", False, {"no_face_to_face_until": "2024-06-13"}, False),
    ("no_face_to_face", True, {"no_face_to_face_until": "2024-06-12"}, False),
    ("moved_within", FORTNIGHT, {"accommodation": home(since="2024-05-30")}, True),
    ("moved_within", FORTNIGHT, {"accommodation": home(since="2024-05-29")}, False),
    ("moved_within", FORTNIGHT, {"accommodation": home(since="2024-06-20")}, True),
    ("moved_within", FORTNIGHT, {"accommodation": home(since=None)}, False),
    ("moved_within", FORTNIGHT, {"accommodation": None}, False), ("in_touch", ("NO",), {"in_touch": "NO"}, True),
    ("in_touch", ("NO",), {"in_touch": "YES"}, False), ("in_touch", ("NO",), {}, False),
    ("adviser", "some", {}, True), ("adviser", "none", {}, False), ("adviser", "none", {"adviser_ref": None}, True),
    ("adviser", "some", {"adviser_ref": None}, False),
    ("opted_out", False, {}, True), ("opted_out", True, {}, False), ("opted_out", "any", {}, True),
    ("opted_out", True, {"in_touch": "REFU", "opt_out_review_on": "2024-06-13"}, True),
    ("opted_out", False, {"in_touch": "REFU", "opt_out_review_on": "2024-06-13"}, False),
    ("opted_out", "any", {"in_touch": "REFU", "opt_out_review_on": "2024-06-13"}, True),
])
def test_one_condition(name: str, wanted: Any, changes: dict[str, Any], expected: bool) -> None:
    assert holds(name, wanted, **changes) is expected


def test_every_condition_is_tested() -> None:
    tested = {case[0] for mark in test_one_condition.pytestmark for case in mark.args[1]}
    assert tested == set(TESTS)


def test_all_must_hold_and_the_first_that_does_not_is_named() -> None:
    now = circumstances(facts(), TODAY)
    assert Conditions(()).failing(now) is None
    assert Conditions((("adviser", "some"), ("need", ("standard",)))).failing(now) is None
    assert Conditions((("adviser", "some"), ("need", ("high",)), ("hostel", True))).failing(now) == "need"


def test_move_windows() -> None:
    assert Conditions((("moved_within", FORTNIGHT), ("hostel", True))).move_windows == {FORTNIGHT}
    assert Conditions((("hostel", True),)).move_windows == frozenset()
