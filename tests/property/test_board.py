"""What the board shows of anybody is what `evaluate` says, and its figures of the past are what it would have said then."""
from __future__ import annotations

from hypothesis import given

from keepintouch.rulebook import CouncilRules
from keepintouch.standards import stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.headlines import headline_days, held_on
from keepintouch.standards.history import History
from keepintouch.standards.ladder import BY_COUNCIL, RUNG_OF, Rung
from services.board.model.people import Place
from services.board.model.standing import WORST, standing_of
from tests.reference import worlds

from .worlds import ENGINES, MOMENTS, thorough, today_of, world_of


@thorough
@given(world=MOMENTS)
def test_shown_states_and_headlines_are_those_of_evaluate(world: worlds.World) -> None:
    step = world.steps[0]
    people, policy, today = world_of(step), ENGINES[step.policy], today_of(step)
    for ref, person in people.people.items():
        marks = people.marks_for(ref)
        evaluation = evaluate(stored.load(stored.dump(person)), policy, today, marks)
        facts = person.facts
        place = Place(ref, facts.adviser_ref if facts else None, facts.team_ref if facts else None)
        standing = standing_of(stored.load(stored.dump(person)), place, CouncilRules.of(policy), today, marks, [today])
        if evaluation is None:
            assert standing is None
            continue
        assert standing is not None
        assert (standing.in_scope, standing.in_touch, standing.meaningful) == (
            evaluation.in_scope, evaluation.in_touch, evaluation.meaningful)
        assert standing.seen == any(
            each.kind in BY_COUNCIL and RUNG_OF[each.kind] >= Rung.SEEN and each.day <= today <= policy.meaningful_within.after(
                each.day) for each in person.in_order())
        for rule, state in standing.rules:
            of_rule = [clock.state for clock in evaluation.clocks if clock.standard.rule == rule]
            assert state == max(of_rule, key=WORST.index)
        assert {rule for rule, _ in standing.rules} == {clock.standard.rule for clock in evaluation.clocks}
        if standing.due is not None:
            assert any((clock.due_on, clock.state) == (standing.due.due_on, standing.due.state) for clock in evaluation.clocks)


@thorough
@given(world=MOMENTS)
def test_headlines_of_the_past_are_what_evaluate_says_of_that_day(world: worlds.World) -> None:
    step = world.steps[0]
    people, policy, today = world_of(step), ENGINES[step.policy], today_of(step)
    for person in people.people.values():
        if person.facts is None:
            continue
        days = headline_days(History(stored.load(stored.dump(person)), today), policy)
        for back in (0, 1, 30, 61, 200):
            then = evaluate(stored.load(stored.dump(person)), policy, today - back, {})
            assert then is not None
            assert held_on(days.in_touch, policy.in_touch.within, today - back) == then.in_touch
            assert held_on(days.meaningful, policy.meaningful_within, today - back) == then.meaningful
