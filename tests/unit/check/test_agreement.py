"""The figures are those of `keepintouch evaluate`, of the explanations, and of the past days they speak of."""

from datetime import date, timedelta
from typing import Any

import pytest

from keepintouch.check.analysis import Report, analyse
from keepintouch.check.comparing import compare, openings
from keepintouch.check.measures import Measure
from keepintouch.cli.evaluate import lines
from keepintouch.standards.clocks import State
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.explanation import explain
from keepintouch.standards.policy_file import load_policy

from .town import TODAY, Town, county

POLICY, REPORTED = "standard_8_week", "letter_2017"


@pytest.fixture(scope="module")
def report() -> Report:
    material, day = county()
    return analyse(material, load_policy(POLICY), day, load_policy(REPORTED))


def shown(report: Report) -> dict[str, dict[str, Any]]:
    """The alerts of a report as `evaluate` prints them."""
    return {alert.alert_id: {
        "kind": "alert", "alert_id": alert.alert_id, "person_ref": one.ref, "rule": alert.rule, "standard": alert.standard_id,
        "status": "open", "severity": alert.severity, "anchor_on": alert.anchor_on.isoformat(),
        "due_on": alert.due_on.isoformat(), "opens_on": alert.opens_on.isoformat()}
        for one in report.subjects for alert in one.alerts}


@pytest.mark.parametrize("policy", [POLICY, REPORTED, "lancashire"])
def test_alerts_and_headlines_are_those_of_evaluate(policy: str) -> None:
    material, day = county()
    report = analyse(material, load_policy(policy), day)
    printed = list(lines(material.world, load_policy(policy), day.toordinal(), {}))
    assert shown(report) == {line["alert_id"]: line for line in printed if line["kind"] == "alert"}
    people = {line["person_ref"]: line for line in printed if line["kind"] == "person" and line["in_scope"]}
    assert {one.ref: (one.holds[Measure.IN_TOUCH], one.holds[Measure.MEANINGFUL], list(one.unknown)) for one in report.subjects} \
        == {ref: (line["in_touch"], line["meaningful"], line["unknown"]) for ref, line in people.items()}
    assert report.out_of_scope == sum(line["kind"] == "person" and not line["in_scope"] for line in printed)


def test_the_county_reports_92_per_cent_and_a_third_of_it_is_not_meaningful(report: Report) -> None:
    shares = {measure: round(100 * (report.count(measure) or 0) / report.people) for measure in Measure}
    assert shares == {Measure.IN_TOUCH: 92, Measure.MEANINGFUL: 63, Measure.SEEN: 58}
    assert len(report.gap) == 213


def test_every_state_is_that_of_the_explanation(report: Report) -> None:
    world = report.material.world
    for one in report.subjects[::15]:
        said = explain(world.people[one.ref], report.yardstick.policy, report.today.toordinal(), world.marks_for(one.ref))
        assert said is not None
        overdue = {r.standard.rule for r in said.standards if r.clock is not None and r.clock.state is State.OVERDUE}
        assert {alert.rule for alert in one.alerts} == overdue


def test_a_months_figures_are_what_evaluate_says_of_that_day(report: Report) -> None:
    world, policy, reported = report.material.world, load_policy(POLICY), load_policy(REPORTED)
    for month in report.months[-9::4]:
        day = month.day.toordinal()
        there = [person for person in world.people.values() if person.facts is not None and person.facts.supported_since <= day]
        ours = [found for person in there if (found := evaluate(person, policy, day, {})) and found.in_scope]
        theirs = [found for person in there if (found := evaluate(person, reported, day, {})) and found.in_scope]
        assert month.people == len(ours)
        assert month.counts[Measure.IN_TOUCH] == sum(found.in_touch for found in theirs)
        assert month.counts[Measure.MEANINGFUL] == sum(found.meaningful for found in ours)


def test_before_the_records_reach_back_far_enough_there_is_no_figure(report: Report) -> None:
    known = {month.day: month.counts for month in report.months}
    assert len(report.months) == 25
    assert set(known[date(2016, 3, 31)].values()) == {None}
    assert known[date(2016, 4, 30)][Measure.IN_TOUCH] is None          # three months, and records begin in March
    assert known[date(2016, 4, 30)][Measure.MEANINGFUL] is not None    # eight weeks


def test_what_is_due_soon_is_overdue_on_its_day_if_nothing_is_done(report: Report) -> None:
    world, policy = report.material.world, report.yardstick.policy
    assert len(report.due) > 20
    for one, due in report.due[::6]:
        assert report.today <= due.opens_on + timedelta(days=-1)
        later = evaluate(world.people[one.ref], policy, due.opens_on.toordinal(), world.marks_for(one.ref))
        assert later is not None
        still = {clock.standard.rule for clock in later.clocks} | {"out of scope" for _ in () if not later.in_scope}
        assert due.rule in {finding.rule for finding in later.findings} or due.rule not in still


def test_alerts_that_opened_are_those_a_look_at_every_day_finds(report: Report) -> None:
    policy = report.yardstick.policy
    first, last = date(2016, 9, 1).toordinal(), date(2016, 11, 30).toordinal()
    found = 0
    for one in report.subjects[::60]:
        person = report.material.world.people[one.ref]
        seen, expected = set[tuple[str, int]](), []
        for day in range(first - 1, last + 1):
            evaluation = evaluate(person, policy, day, {})
            assert evaluation is not None
            for finding in evaluation.findings:
                if finding.clock.standard.needs is not None and finding.key not in seen:
                    seen.add(finding.key)
                    expected += [day] if day >= first else []
        assert list(openings(person, policy, first, last)) == expected
        found += len(expected)
    assert found > 5


def test_a_comparison_names_whom_only_one_policy_flags_and_how_often() -> None:
    town = Town()
    written_to = town.person("a")
    for days_ago in range(10, 700, 25):
        town.contact(written_to, days_ago, "text")
    town.visit(written_to, 200)
    town.visit(town.person("b"), 10, announced=False)
    report = town.report()
    comparison = compare(report, load_policy(REPORTED))
    alone, by_the_other = comparison.alone(report)
    assert [one.ref for one, _ in alone] == [written_to]
    assert by_the_other == []
    assert comparison.mine.a_month is not None
    assert comparison.mine.a_month > 0 == comparison.other.a_month
    assert list(comparison.mine.opened)[-1] == TODAY.replace(day=1) - timedelta(days=28)


def test_without_a_long_enough_past_no_months_are_claimed() -> None:
    town = Town()
    town.visit(town.person(), 10)
    comparison = compare(town.report(), load_policy(REPORTED))
    assert comparison.mine.a_month is None
    assert "do not reach back" in comparison.sentence
