"""What a council reports, and what its data shows, read from the monitor's own state."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keepintouch.runtime.kafka import Record
from keepintouch.standards import stored
from keepintouch.standards.clocks import State
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.policy import Policy

PLAN_RULE = "plan_review_overdue"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the people of a council stand on one day. Shares are 0 to 1, of the people in scope."""

    people: int
    with_adviser: float
    in_touch: float
    """The headline: as the council counted it."""
    plans_in_date: float
    """Of those who are owed a plan."""
    meaningful: float
    gap: int
    """People in touch by the headline, whose contact is not meaningful."""
    gap_by_rule: Mapping[str, int]
    """How many of them have an open alert under each rule."""


def standing(changelog: Iterable[Record], reported: Policy, held_against: Policy, today: int) -> Standing:
    """Evaluate everybody in a people changelog under the council's own headline and under a real standard."""
    newest = {record.key: record.value for record in changelog}
    people = [stored.load(value) for key, value in newest.items()
              if key is not None and value is not None and stored.is_person(key)]
    pairs = [(person, theirs, ours) for person in people
             if (theirs := evaluate(person, reported, today, {})) is not None and theirs.in_scope
             and (ours := evaluate(person, held_against, today, {})) is not None]
    gap = [ours for _, theirs, ours in pairs if theirs.in_touch and not ours.meaningful]
    plans = [clock.state is not State.OVERDUE for _, theirs, _ in pairs for clock in theirs.clocks
             if clock.standard.rule == PLAN_RULE]
    return Standing(
        len(pairs), _share(person.facts is not None and person.facts.adviser_ref is not None for person, _, _ in pairs),
        _share(theirs.in_touch for _, theirs, _ in pairs), _share(plans),
        _share(ours.meaningful for _, _, ours in pairs), len(gap), _by_rule(gap))


def _by_rule(evaluations: Iterable[Evaluation]) -> dict[str, int]:
    return dict(Counter(finding.rule for e in evaluations for finding in e.findings).most_common())


def _share(flags: Iterable[bool]) -> float:
    found = list(flags)
    return sum(found) / len(found) if found else 0.0
