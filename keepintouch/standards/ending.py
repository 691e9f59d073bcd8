"""How an open alert ends that evaluation no longer produces, judged by the records and the person as now known."""
from __future__ import annotations

from dataclasses import dataclass

from keepintouch.calendar import london_day
from schemas.alerts import AlertStatus, EndReason

from .evaluation import Evaluation
from .instants import instant
from .person import Facts, Person, Register
from .policy import Policy, Standard
from .standing import start_day


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """What is known of an alert that was open: its days are day numbers."""

    rule: str
    standard_id: str
    anchor_on: int
    due_on: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended; the lag is the days from the contact to its being typed up, only where recorded late."""

    status: AlertStatus
    reason: EndReason
    recording_lag_days: int | None = None


NO_LONGER_APPLIES = Ending("cleared", "no_longer_applies")
DONE = Ending("cleared", "done")
CORRECTED = Ending("withdrawn", "corrected")


def end(alert: OpenAlert, person: Person, evaluation: Evaluation, policy: Policy) -> Ending:
    """Judge the end of an alert whose key is not among the evaluation's findings."""
    standard = _its_standard(alert, evaluation)
    if standard is None or alert.rule in policy.cannot_see or person.facts is None:
        return NO_LONGER_APPLIES
    if standard.needs is not None:
        satisfied = _first_satisfying(alert, standard, person.facts, evaluation)
        if satisfied is None:
            return CORRECTED
        if satisfied.day > standard.grace.after(alert.due_on):
            return DONE
        return Ending("withdrawn", "recorded_late", _lag(satisfied))
    start = start_day(standard.start, person.facts)
    return DONE if start is not None and start > alert.anchor_on else CORRECTED


def _its_standard(alert: OpenAlert, evaluation: Evaluation) -> Standard | None:
    """The one named on the alert if that still covers the person, else the first of its rule that does."""
    of_rule = [clock.standard for clock in evaluation.clocks if clock.standard.rule == alert.rule]
    return next((s for s in of_rule if s.id == alert.standard_id), next(iter(of_rule), None))


def _first_satisfying(alert: OpenAlert, standard: Standard, facts: Facts, evaluation: Evaluation) -> Register | None:
    assert standard.needs is not None
    if standard.recurring:
        first_day = alert.anchor_on + 1
    elif standard.needs.ever:
        first_day = 0
    else:
        first_day = start_day(standard.start, facts) or 0
    return next(evaluation.history.satisfying(standard.needs, first_day), None)


def _lag(register: Register) -> int:
    return london_day(instant(register.recorded_at)).toordinal() - register.day
