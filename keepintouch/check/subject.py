"""One person as a report shows them: how they stand today, what is overdue or due soon, and when they were last heard of."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from keepintouch.standards.circumstances import age_on
from keepintouch.standards.clocks import Clock, FeedMarks, Why
from keepintouch.standards.evaluation import Evaluation, Finding, evaluate
from keepintouch.standards.history import History
from keepintouch.standards.ladder import BY_COUNCIL, KINDS, MEETINGS, RUNG_OF, Rung
from keepintouch.standards.person import Facts, Person
from schemas.alerts import Severity, alert_id

from .measures import Measure, Yardstick, is_within

DUE_WITHIN = 14
"""Days ahead in which what falls due is listed."""
_SEEN = BY_COUNCIL & MEETINGS
_SPOKE = frozenset(number for number in BY_COUNCIL if RUNG_OF[number] is Rung.SPOKE)
_WRITTEN = frozenset(number for number in BY_COUNCIL
                     if KINDS[number].written and KINDS[number].direction == "out" and RUNG_OF[number] >= Rung.ATTEMPTED)


@dataclass(frozen=True, slots=True)
class Last:
    """The newest contact of a kind: when, how, and whether by someone they had met."""

    day: date
    how: str
    """Channel of a contact, place of a visit."""
    known: bool


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that is open today."""

    alert_id: str
    rule: str
    standard_id: str
    text: str
    severity: Severity
    anchor_on: date
    due_on: date
    opens_on: date


@dataclass(frozen=True, slots=True)
class Due:
    """One rule that falls due soon, or whose day has passed but whose alert still waits."""

    rule: str
    text: str
    due_on: date
    opens_on: date


@dataclass(frozen=True, slots=True)
class Subject:
    """One person. `name` is the file's own id."""

    ref: str
    name: str
    facts: Facts
    adviser: str | None
    age: int
    in_scope: bool
    holds: Mapping[Measure, bool]
    days: Mapping[Measure, Sequence[int]]
    """The days of the records that count for each measure, oldest first."""
    alerts: tuple[Alert, ...]
    unknown: tuple[str, ...]
    due: tuple[Due, ...]
    last_seen: Last | None
    last_spoke: Last | None
    """By phone or video."""
    last_written: Last | None
    """Written to, answered or not."""

    @property
    def in_gap(self) -> bool:
        """In touch by the headline, but not in meaningful contact."""
        return self.holds[Measure.IN_TOUCH] and not self.holds[Measure.MEANINGFUL]


def subject(ref: str, name: str, adviser: str | None, person: Person, yardstick: Yardstick, today: int,
            marks: FeedMarks) -> Subject | None:
    """Look at one person on a day; None where no snapshot of them is held."""
    evaluation = evaluate(person, yardstick.policy, today, marks)
    if evaluation is None or person.facts is None:
        return None
    history = evaluation.history
    days = yardstick.days(history)
    return Subject(
        ref, name, person.facts, adviser, age_on(person.facts.born_on, today), evaluation.in_scope,
        {measure: is_within(found, yardstick.since(measure, today), today) for measure, found in days.items()}, days,
        tuple(_alert(ref, finding) for finding in evaluation.findings), evaluation.unknown,
        tuple(_due_soon(evaluation, yardstick.policy.cannot_see)),
        _last(history, _SEEN), _last(history, _SPOKE), _last(history, _WRITTEN))


def _alert(ref: str, finding: Finding) -> Alert:
    clock = finding.clock
    anchor_on, due_on, opens_on = _days(clock)
    return Alert(str(alert_id(ref, finding.rule, anchor_on.isoformat())), finding.rule, clock.standard.id, clock.standard.text,
                 finding.severity, anchor_on, due_on, opens_on)


def _due_soon(evaluation: Evaluation, unseen: frozenset[str]) -> list[Due]:
    """Of each rule that is not overdue, the clock that is due first, if that is soon."""
    silent = {finding.rule for finding in evaluation.findings}.union(evaluation.unknown, unseen)
    first: dict[str, Due] = {}
    for clock in evaluation.clocks:
        rule = clock.standard.rule
        if rule in silent or clock.why is not Why.NOT_YET or clock.due_on is None:
            continue
        if clock.due_on <= evaluation.today + DUE_WITHIN:
            _, due_on, opens_on = _days(clock)
            if rule not in first or due_on < first[rule].due_on:
                first[rule] = Due(rule, clock.standard.text, due_on, opens_on)
    return sorted(first.values(), key=lambda due: (due.due_on, due.rule))


def _days(clock: Clock) -> tuple[date, date, date]:
    assert clock.due_on is not None
    assert clock.opens_on is not None
    return date.fromordinal(clock.anchor_on), date.fromordinal(clock.due_on), date.fromordinal(clock.opens_on)


def _last(history: History, kinds: frozenset[int]) -> Last | None:
    for register in reversed(history.records):
        if register.kind in kinds:
            kind = KINDS[register.kind]
            return Last(date.fromordinal(register.day), kind.location or kind.channel or "", history.known(register))
    return None
