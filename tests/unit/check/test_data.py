"""What is said of the data: what contradicts itself, what is typed up late, what cannot be seen."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.check.blind import seeing
from keepintouch.check.lags import LATER
from keepintouch.check.measures import Measure, Yardstick, is_within, month_ends, records_begin
from keepintouch.check.quality import DOUBT_WORDS, Doubt
from keepintouch.standards.intervals import Interval
from keepintouch.standards.policy import Headline
from keepintouch.standards.policy_file import load_policy

from .town import TODAY, Town, a_few

PLAIN = load_policy("letter_2017")
HOME = {"code": "U", "suitable": True, "council_provided": False, "hostel": False}


def doubts(town: Town) -> list[Doubt]:
    return [found.doubt for found in town.report().quality.doubts]


def well_served(**facts: Any) -> tuple[Town, str]:
    town = Town()
    ref = town.person(**facts)
    town.visit(ref, 10, announced=False)
    return town, ref


@pytest.mark.parametrize(("doubt", "facts"), [
    (Doubt.HELD_NO, {"in_touch": "NO"}),
    (Doubt.SUITABLE_NOWHERE, {"accommodation": HOME | {"code": "R"}}),
    (Doubt.OPTED_OUT_UNDATED, {"in_touch": "REFU"}),
    (Doubt.AGE_AND_CATEGORY, {"category": "eligible"}),
    (Doubt.LOOKED_AFTER_ADULT, {"looked_after": True})])
def test_facts_that_contradict_themselves(doubt: Doubt, facts: dict[str, Any]) -> None:
    assert doubts(well_served()[0]) == []
    assert doubts(well_served(**facts)[0]) == [doubt]


@pytest.mark.parametrize(("doubt", "days_ago", "record"), [
    (Doubt.TYPED_UP_BEFORE, 5, {"recorded_at": "2026-02-20T09:00:00Z"}),
    (Doubt.MET_WITHOUT_ANSWER, 5, {"channel": "face_to_face", "outcome": "no_reply"}),
    (Doubt.BEFORE_14, 9_000, {}),
    (Doubt.TO_COME, -1, {})])
def test_records_that_contradict_themselves(doubt: Doubt, days_ago: int, record: dict[str, Any]) -> None:
    town, ref = well_served()
    town.contact(ref, days_ago, **record)
    assert doubts(town) == [doubt]


def test_the_same_twice_and_held_as_in_touch_without_contact() -> None:
    town, ref = well_served()
    town.contact(ref, 7, "phone")
    assert doubts(town) == []
    town.contact(ref, 7, "phone")
    silent = town.person("b")
    assert doubts(town) == [Doubt.HELD_YES, Doubt.SAME_TWICE]
    assert [one.ref for one in town.report().subjects if not one.days or not any(one.days.values())] == [silent]
    assert town.report().quality.without_record == 1


def test_records_of_someone_who_is_not_among_the_people_count_for_nobody_and_are_named() -> None:
    town, _ = well_served()
    town.contact("town:unheard-of", 3)
    town.contact("town:unheard-of", 4)
    report = town.report()
    assert (report.people, report.quality.of_nobody) == (1, 2)
    assert [(found.doubt, found.ref) for found in report.quality.doubts] == [(Doubt.NOT_IN_PEOPLE, "town:unheard-of")]


def test_every_doubt_has_words() -> None:
    assert set(DOUBT_WORDS) == set(Doubt)


def test_how_soon_things_are_typed_up() -> None:
    town = Town()
    ref = town.person()
    for lag in (0, 0, 1, 4, 30):
        recorded = (TODAY - timedelta(days=40 - lag)).isoformat() + "T17:00:00Z"
        town.contact(ref, 40, recorded_at=recorded, worker_ref=f"town:w{lag}")
    lags = town.report().lags
    assert lags.records == 5
    assert lags.median_days == 1
    assert lags.bands == {"the same day": 2, "the next day": 1, "2 to 5 days": 1, "6 to 14 days": 0, LATER: 1}


def test_what_does_not_say_when_it_was_typed_up_is_not_taken_for_prompt() -> None:
    town = Town()
    town.contact(town.person(), 40, recorded_at="2026-03-02T12:00:00Z")
    assert town.report().lags.records == 1
    assert town.report(stood_in_at=1_772_452_800_000_000).lags.records == 0


def test_where_every_field_is_fed_the_policy_is_held_as_it_is() -> None:
    policy = load_policy("standard_8_week")
    assert seeing(policy, frozenset({"visit.some_other"})) == (policy, ())


def test_a_rule_that_rests_on_what_no_column_says_is_not_held_against_anyone() -> None:
    town = a_few()
    town.visit(town.person("z", born_on=date(2008, 9, 1), category="eligible", looked_after=True), 10)
    assert "unannounced_visit_due" in {each.rule for each in town.report().rules}
    report = town.report(unfed=frozenset({"visit.announced"}))
    assert "unannounced_visit_due" not in {each.rule for each in report.rules}
    assert [(each.rule, each.why, each.whole) for each in report.blind] == [
        ("unannounced_visit_due", "no column says whether a visit was announced", True)]


def test_of_a_rule_only_the_standards_that_cannot_be_seen_are_left_out() -> None:
    policy = load_policy("standard_8_week")
    held, blind = seeing(policy, frozenset({"visit.location"}))
    assert held.cannot_see == {"statutory_visit_overdue", "seen_alone_due", "new_home_visit", "unannounced_visit_due"}
    assert {s.needs.rung.name for s in policy.rules["visit_overdue"] if s.needs} == {"SEEN", "SEEN_AT_HOME"}
    assert {s.needs.rung.name for s in held.rules["visit_overdue"] if s.needs} == {"SEEN"}
    assert not next(each for each in blind if each.rule == "visit_overdue").whole


def test_what_no_record_ever_says_is_told() -> None:
    town = Town()
    town.visit(town.person(), 10)
    report = town.report()
    assert any("announced or unannounced" in sentence for sentence in report.never_told)
    assert not any("anyone was seen" in sentence for sentence in report.never_told)
    assert "No contact and no visit is in the files" in Town().report().never_told[0]


def test_month_ends_are_those_of_whole_months_before_today() -> None:
    assert month_ends(date(2024, 2, 29), 3) == [date(2023, 11, 30), date(2023, 12, 31), date(2024, 1, 31)]
    assert month_ends(date(1, 2, 3), 24) == [date(1, 1, 31)]


@given(st.sampled_from(["3m", "8w", "1m", "45d", "20wd"]), st.dates(date(2020, 1, 1), date(2030, 12, 31)),
       st.integers(0, 130))
def test_what_is_recent_enough_is_what_the_interval_says(within: str, day: date, ago: int) -> None:
    held = replace(PLAIN, in_touch=Headline(PLAIN.in_touch.rung, Interval.parse(within)))
    number = day.toordinal()
    first = Yardstick(held, held).since(Measure.IN_TOUCH, number)
    assert is_within([number - ago], first, number) == (Interval.parse(within).after(number - ago) >= number)


def test_a_stray_date_does_not_say_when_records_begin() -> None:
    town = Town()
    ref = town.person()
    assert records_begin(town.world.people.values()) is None
    town.contact(ref, 5_000)
    for days_ago in range(10, 310):
        town.contact(ref, days_ago, worker_ref=f"town:w{days_ago}")
    assert records_begin(town.world.people.values()) == TODAY.toordinal() - 309


def test_nobody_at_all_is_a_report_too() -> None:
    report = Town().report()
    assert (report.people, report.rules, report.cuts, report.due, report.newest_record) == (0, (), (), (), None)
