"""Everything a report says, worked out: who is in touch, in meaningful contact and seen, who is overdue by which rule. Pure."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from keepintouch.standards import sentences
from keepintouch.standards.instants import day_of, first_instant
from keepintouch.standards.policy import Policy
from schemas.alerts import SEVERITIES, Severity

from .blind import SEEN_IN, Blind, never_told, seeing
from .lags import Lags, lags
from .material import Material
from .measures import Measure, Month, Yardstick, months, records_begin
from .quality import Quality, quality
from .subject import Alert, Due, Subject, subject

Tick = Callable[[int], None]
"""Told how many people have been looked at since it was last called."""

_AGES = ((16, 17), (18, 20), (21, 24))


@dataclass(frozen=True, slots=True)
class Listed:
    """One person on the list of a rule."""

    subject: Subject
    alert: Alert


@dataclass(frozen=True, slots=True)
class RuleList:
    """Everybody who is overdue under one rule, the longest overdue first."""

    rule: str
    words: str
    severity: Severity
    """The worst in the list."""
    listed: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """The figures of one group of people."""

    by: str
    group: str
    people: int
    counts: Mapping[Measure, int | None]
    gap: int
    with_alert: int


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to show. `subjects` are those in scope, by name."""

    today: date
    yardstick: Yardstick
    asked: Policy
    """The policy as it was asked for; the yardstick leaves out what the files cannot show."""
    material: Material
    subjects: tuple[Subject, ...]
    out_of_scope: int
    months: tuple[Month, ...]
    rules: tuple[RuleList, ...]
    """By number of people, most first."""
    unknown: Mapping[str, int]
    """For how many people each rule is not known."""
    cuts: tuple[Cut, ...]
    due: tuple[tuple[Subject, Due], ...]
    lags: Lags
    quality: Quality
    blind: tuple[Blind, ...]
    never_told: tuple[str, ...]
    untold: frozenset[Measure]
    """What the files cannot tell of anyone."""
    begins: int | None
    """The day number from which on there are records, but for a few stray ones."""
    newest_record: date | None

    @property
    def people(self) -> int:
        """How many are in scope."""
        return len(self.subjects)

    def count(self, measure: Measure) -> int | None:
        """How many people have it today; None where the files cannot tell."""
        return None if measure in self.untold else sum(subject.holds[measure] for subject in self.subjects)

    @property
    def gap(self) -> tuple[Subject, ...]:
        """Who is in touch by the headline, but not in meaningful contact; nobody, where the files cannot tell that."""
        return tuple(subject for subject in self.subjects if subject.in_gap) if not self.untold else ()

    @property
    def with_alert(self) -> int:
        """How many people have an open alert."""
        return sum(bool(subject.alerts) for subject in self.subjects)


def analyse(material: Material, policy: Policy, today: date, headline: Policy | None = None,
            tick: Tick = lambda people: None) -> Report:
    """Hold a policy against everything that was read, on a London day.

    `headline`: the policy by which "in touch" is counted, if it is not the same. What `keepintouch evaluate` says of the same
    events and policy, this says too, but for standards that rest on what no column of the files feeds.
    """
    world, number = material.world, today.toordinal()
    held, blind = seeing(policy, material.unfed)
    yardstick = Yardstick(held, headline or held)
    found = []
    for ref, person in world.people.items():
        adviser = None if person.facts is None else person.facts.adviser_ref
        one = subject(ref, material.name(ref), None if adviser is None else material.name(adviser), person, yardstick, number,
                      world.marks_for(ref))
        if one is not None:
            found.append(one)
        tick(1)
    found.sort(key=lambda one: (one.name, one.ref))
    subjects = tuple(one for one in found if one.in_scope)
    untold = _untold(material, any(person.registers for person in world.people.values()))
    people = [world.people[one.ref] for one in found]
    begins = None if material.latest_only else records_begin(people)
    tomorrow = first_instant(number + 1)
    newest = max((register.occurred_at for person in people for register in person.registers.values()
                  if register.occurred_at < tomorrow), default=None)
    return Report(
        today, yardstick, policy, material, subjects, len(found) - len(subjects),
        months(((one.facts, one.days) for one in found), yardstick, today, begins, untold),
        _rules(subjects), _unknown(subjects), tuple(_cuts(subjects, untold)),
        tuple(sorted(((one, due) for one in subjects for due in one.due), key=lambda pair: (pair[1].due_on, pair[0].name))),
        lags(people, number, material.stood_in_at), quality(world.people, subjects, number), blind,
        (*material.warnings, *never_told(held, [one.facts for one in subjects], people)), untold, begins,
        None if newest is None else date.fromordinal(day_of(newest)))


def _rules(subjects: Iterable[Subject]) -> tuple[RuleList, ...]:
    lists: dict[str, list[Listed]] = {}
    for one in subjects:
        for alert in one.alerts:
            lists.setdefault(alert.rule, []).append(Listed(one, alert))
    found = [RuleList(rule, sentences.rule(rule), max((each.alert.severity for each in listed), key=SEVERITIES.index),
                      tuple(sorted(listed, key=lambda each: (each.alert.opens_on, each.subject.name))))
             for rule, listed in lists.items()]
    return tuple(sorted(found, key=lambda each: (-len(each.listed), each.rule)))


def _unknown(subjects: Iterable[Subject]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in subjects:
        for rule in one.unknown:
            counts[rule] = counts.get(rule, 0) + 1
    return dict(sorted(counts.items()))


def _untold(material: Material, any_record: bool) -> frozenset[Measure]:
    if not any_record:
        return frozenset(Measure)
    return frozenset({Measure.MEANINGFUL, Measure.SEEN}) if material.unfed >= SEEN_IN else frozenset()


def _cuts(subjects: Iterable[Subject], untold: frozenset[Measure]) -> Iterable[Cut]:
    groups: dict[str, dict[str, list[Subject]]] = {"team": {}, "cohort": {}, "age": {}, "need": {}}
    for one in subjects:
        for by, name in _groups(one):
            groups[by].setdefault(name, []).append(one)
    for by, named in groups.items():
        for name, members in sorted(named.items()):
            yield Cut(by, name, len(members), {
                m: None if m in untold else sum(one.holds[m] for one in members) for m in Measure},
                      0 if untold else sum(one.in_gap for one in members), sum(bool(one.alerts) for one in members))


def _groups(one: Subject) -> Iterable[tuple[str, str]]:
    yield "team", one.facts.team_ref or "no team recorded"
    for cohort in one.facts.cohorts or ("none recorded",):
        yield "cohort", cohort
    yield "age", next((f"{low} to {high}" for low, high in _AGES if low <= one.age <= high), "other")
    yield "need", one.facts.need
