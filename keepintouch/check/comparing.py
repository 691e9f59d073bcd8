"""Two policies side by side: whom each would flag today, and how many alerts each would have meant, month by month.

The months are replayed from the records: on each day on which anything can change, everybody is evaluated. Facts about people are
as they are now, so of rules that rest on facts alone (a plan's review, an adviser's absence) no month can be told: only rules
that a contact or visit satisfies are counted.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import mean

from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy

from .analysis import Report, Tick
from .blind import seeing
from .measures import month_ends
from .subject import Subject

REPLAYED = 12
"""Months."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one policy comes to. `opened` is by the first day of a month."""

    policy: Policy
    flagged: frozenset[str]
    by_rule: Mapping[str, int]
    rules_of: Mapping[str, tuple[str, ...]]
    opened: Mapping[date, int]

    @property
    def a_month(self) -> float | None:
        """Alerts a month, on average over the months that the records reach back; None where they reach back over none."""
        return mean(self.opened.values()) if self.opened else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The policy of the report, and another."""

    mine: Side
    other: Side

    @property
    def sentence(self) -> str:
        """What the difference comes to."""
        mine, other = self.mine.a_month, self.other.a_month
        if mine is None or other is None:
            return "The records do not reach back far enough to say how many alerts a month each policy would have meant."
        return (f"{self.mine.policy.id} would have opened {mine:,.0f} alerts a month, {self.other.policy.id} {other:,.0f}, on "
                f"average over {len(self.mine.opened)} months: alerts of rules that a contact or visit satisfies, worked out "
                "from the records with facts about people as they are now.")

    def alone(self, report: Report) -> tuple[list[tuple[Subject, tuple[str, ...]]], list[tuple[Subject, tuple[str, ...]]]]:
        """Who is flagged by one policy alone, with the rules: first by the report's own, then by the other."""
        def only(side: Side, without: Side) -> list[tuple[Subject, tuple[str, ...]]]:
            return [(one, side.rules_of[one.ref]) for one in report.subjects if one.ref in side.flagged - without.flagged]
        return only(self.mine, self.other), only(self.other, self.mine)


def compare(report: Report, other: Policy, tick: Tick = lambda people: None) -> Comparison:
    """Hold another policy against the same people; `tick` is told of everybody twice."""
    held, _ = seeing(other, report.material.unfed)
    return Comparison(_side(report, report.yardstick.policy, tick), _side(report, held, tick))


def _side(report: Report, policy: Policy, tick: Tick) -> Side:
    world, today = report.material.world, report.today.toordinal()
    first_days = _months(report.today, policy, report.begins)
    replayed = replace(policy, feeds=frozenset())   # how far a feed was at the time is not known
    opened: Counter[date] = Counter()
    rules_of: dict[str, tuple[str, ...]] = {}
    for one in report.subjects:
        person, marks = world.people[one.ref], world.marks_for(one.ref)
        found = evaluate(person, policy, today, marks)
        assert found is not None
        if found.findings:
            rules_of[one.ref] = tuple(finding.rule for finding in found.findings)
        if first_days:
            for day in openings(person, replayed, first_days[0].toordinal(), report.today.replace(day=1).toordinal() - 1):
                opened[date.fromordinal(day).replace(day=1)] += 1
        tick(1)
    by_rule = Counter(rule for rules in rules_of.values() for rule in rules)
    return Side(policy, frozenset(rules_of), by_rule, rules_of, {day: opened[day] for day in first_days})


def openings(person: Person, policy: Policy, first: int, last: int) -> Iterable[int]:
    """The days, of some days in a row, on which an alert opens that a contact or visit could have prevented."""
    seen = set[tuple[str, int]]()
    day = first - 1   # what is open already on the eve did not open in these days
    while day <= last:
        evaluation = evaluate(person, policy, day, {})
        if evaluation is None:
            return
        for rule, anchor_on in _of_records(evaluation):
            if (rule, anchor_on) not in seen:
                seen.add((rule, anchor_on))
                if day >= first:
                    yield day
        day = evaluation.next_change_on


def _of_records(evaluation: Evaluation) -> Iterable[tuple[str, int]]:
    for finding in evaluation.findings:
        if finding.clock.standard.needs is not None:
            yield finding.key


def _months(today: date, policy: Policy, begins: int | None) -> Sequence[date]:
    """The first days of the last whole months before which there are records for as long as the standards ask for."""
    ends = month_ends(today, REPLAYED)
    if begins is None:
        return []
    asked = [standard for standard in policy.standards if standard.needs is not None and standard.despite is None]
    longest = max((standard.interval.after(begins) for standard in asked), default=begins)
    return [end.replace(day=1) for end in ends if end.replace(day=1).toordinal() >= longest]
