"""Why: for each standard of a policy whether it covers a person, and for each record whether it counts, with the reasons.

The outcome is `evaluate`'s own; the reasons come from the same tests that it is made of.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .circumstances import AGE_TOO_OLD, FIRST_AGE, Circumstances, circumstances
from .clocks import Clock, FeedMarks
from .evaluation import Evaluation, evaluate
from .history import History
from .identifiers import unpack
from .ladder import KINDS, VOID, Kind
from .person import Person, Register
from .policy import Miss, Policy, Standard, Who
from .published import AlertKey
from .standing import covers, start_day


class OutOfScope(StrEnum):
    """Why nothing applies to a person at all."""

    CATEGORY = "category"
    DIED = "died"
    UNDER_16 = "under_16"
    OVER_24 = "over_24"


class Verdict(StrEnum):
    """What a record does for a standard."""

    ANCHORS = "anchors"
    """The clock starts from it; of a standard satisfied once: it did that."""
    SATISFIES = "satisfies"
    """It satisfies too, but another one counts: the newest, or the first of what is needed once."""
    TOO_EARLY = "too_early"
    """It would satisfy, but lies before the clock's start."""
    MISSES = "misses"
    """It does not satisfy: see the miss."""
    VOIDED = "voided"
    TO_COME = "to_come"
    """Of a day after today."""
    NOTHING_NEEDED = "nothing_needed"
    """No record satisfies this standard."""


@dataclass(frozen=True, slots=True)
class RecordReason:
    """One record held against one standard. A voided record has no kind left."""

    record_id: str
    day: int | None
    kind: Kind | None
    worker_ref: str | None
    known: bool
    verdict: Verdict
    miss: Miss | None = None
    counts_meanwhile: bool = False
    """It is among the other contact that a `despite` counts."""
    meanwhile_miss: Miss | None = None
    """Why it is not, where the standard has a `despite`."""


@dataclass(frozen=True, slots=True)
class StandardReason:
    """One standard: its clock where it covers the person, else the condition that does not hold."""

    standard: Standard
    clock: Clock | None
    not_covered: str | None
    """Name of the condition of `when` that fails, `unless`, or `accommodation_since` where that day is not known."""
    records: tuple[RecordReason, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that `evaluation` says about a person, with its reasons."""

    evaluation: Evaluation
    out_of_scope: OutOfScope | None
    standards: tuple[StandardReason, ...]


def explain(person: Person, policy: Policy, today: int, marks: FeedMarks, open_alerts: Iterable[AlertKey] = (),
            more_feeds: frozenset[str] = frozenset()) -> Explanation | None:
    """As `evaluate`, with the reasons of every state; None where no snapshot of the person is held."""
    evaluation = evaluate(person, policy, today, marks, open_alerts, more_feeds)
    if evaluation is None or person.facts is None:
        return None
    now = circumstances(person.facts, today)
    clocks = {clock.standard.place: clock for clock in evaluation.clocks}
    reasons = []
    for standard in policy.standards:
        clock = clocks.get(standard.place)
        reasons.append(StandardReason(
            standard, clock, None if clock is not None else _not_covered(standard, now, person),
            () if clock is None else _records(standard, clock, person, evaluation.history)))
    return Explanation(evaluation, _out_of_scope(now), tuple(reasons))


def _out_of_scope(now: Circumstances) -> OutOfScope | None:
    if now.in_scope:
        return None
    if now.category == "none":
        return OutOfScope.CATEGORY
    if now.in_touch == "DIED":
        return OutOfScope.DIED
    return OutOfScope.UNDER_16 if now.age < FIRST_AGE else OutOfScope.OVER_24 if now.age >= AGE_TOO_OLD else None


def _not_covered(standard: Standard, now: Circumstances, person: Person) -> str | None:
    if (failing := standard.when.failing(now)) is not None:
        return failing
    if not covers(standard, now):
        return "unless"
    assert person.facts is not None
    return "accommodation_since" if start_day(standard.start, person.facts) is None else None


def _records(standard: Standard, clock: Clock, person: Person, history: History) -> tuple[RecordReason, ...]:
    meanwhile = set() if standard.despite is None else {
        id(r) for r in history.meanwhile(standard.despite, clock.anchor, clock.anchor_on)}
    assert person.facts is not None
    start = start_day(standard.start, person.facts)
    assert start is not None
    return tuple(_record(register, standard, clock, person, history, id(register) in meanwhile, start)
                 for register in person.in_order())


def _record(register: Register, standard: Standard, clock: Clock, person: Person, history: History,
            counts_meanwhile: bool, start: int) -> RecordReason:
    record_id, worker = unpack(register.record_id), person.worker(register)
    if register.kind == VOID:
        return RecordReason(record_id, None, None, None, False, Verdict.VOIDED)
    kind, known = KINDS[register.kind], history.known(register)
    if register.day > history.today:
        return RecordReason(record_id, register.day, kind, worker, known, Verdict.TO_COME)
    miss = _miss(register, standard, history)
    return RecordReason(
        record_id, register.day, kind, worker, known, _verdict(register, standard, clock, miss, start), miss, counts_meanwhile,
        None if standard.despite is None or counts_meanwhile else _meanwhile_miss(standard, kind, known))


def _miss(register: Register, standard: Standard, history: History) -> Miss | None:
    if standard.needs is None or history.satisfies(register, standard.needs):
        return None
    by_kind = standard.needs.miss(KINDS[register.kind])
    return by_kind or (Miss.STRANGER if standard.needs.by is Who.KNOWN else Miss.NOT_ADVISER)


def _verdict(register: Register, standard: Standard, clock: Clock, miss: Miss | None, start: int) -> Verdict:
    if standard.needs is None:
        return Verdict.NOTHING_NEEDED
    if register is clock.anchor:
        return Verdict.ANCHORS
    if miss is not None:
        return Verdict.MISSES
    return Verdict.SATISFIES if standard.needs.ever or register.day >= start else Verdict.TOO_EARLY


def _meanwhile_miss(standard: Standard, kind: Kind, known: bool) -> Miss | None:
    assert standard.despite is not None
    return standard.despite.miss(kind) or (Miss.KNOWN if standard.despite.by_stranger and known else None)
