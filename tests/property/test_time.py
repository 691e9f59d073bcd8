"""Time alone: nothing changes between the days that evaluation names, and what it does is always in one direction."""

from datetime import datetime, timedelta
from random import Random

from hypothesis import given

from keepintouch.calendar import london_day
from keepintouch.standards import stored
from keepintouch.standards.clocks import Clock, FeedMarks, State
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.intervals import LAST_DAY
from keepintouch.standards.ledger import Publication, open_keys, policy_mark, settle
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from tests.reference import worlds

from .worlds import ENGINES, MOMENTS, RNGS, now_of, quick, today_of, world_of

DAYS = 500
"""More than the 400 for which an ended alert is remembered."""


def outcome(evaluation: Evaluation) -> tuple[object, ...]:
    """All that an evaluation says of a day."""
    return (evaluation.in_scope, evaluation.in_touch, evaluation.meaningful, evaluation.unknown, evaluation.findings,
            evaluation.clocks)


@quick
@given(world=MOMENTS)
def test_nothing_changes_before_the_next_day_named(world: worlds.World) -> None:
    step = world.steps[0]
    today, people, policy = today_of(step), world_of(step), ENGINES[step.policy]
    for ref, person in people.people.items():
        marks = people.marks_for(ref)
        now = evaluate(person, policy, today, marks)
        if now is None:
            continue
        assert now.next_change_on > today
        for day in {today + 1, today + 2, (today + now.next_change_on) // 2, now.next_change_on - 1}:
            if today < day < now.next_change_on:
                later = evaluate(person, policy, day, marks)
                assert later is not None
                assert outcome(later) == outcome(now)


def published(ref: str, form: bytes, policy: Policy, marks: FeedMarks, start: datetime,
              sparsely: bool) -> dict[int, list[Publication]]:
    """What is published on each day (counted from the start) by evaluating every day, or only on the days named."""
    person, found, due_on = stored.load(form), dict[int, list[Publication]](), 0
    for number in range(DAYS):
        now = start + timedelta(days=number)
        today = london_day(now).toordinal()
        if sparsely and today < due_on:
            continue
        evaluation = evaluate(person, policy, today, marks, open_keys(person))
        if evaluation is None:
            break
        if news := settle(ref, person, evaluation, policy, policy_mark(policy), now):
            found[number] = news
        assert person.ledger is not None
        due_on = min(evaluation.next_change_on, person.ledger.next_change_on)
        person = stored.load(stored.dump(person, due_on))
    return found


@quick
@given(world=MOMENTS)
def test_evaluating_on_the_days_named_publishes_what_evaluating_daily_does(world: worlds.World) -> None:
    step = world.steps[0]
    people, policy = world_of(step), ENGINES[step.policy]
    start = now_of(step).astimezone().replace(hour=12)
    for ref, person in people.people.items():
        how = ref, stored.dump(person), policy, people.marks_for(ref), start
        assert published(*how, sparsely=True) == published(*how, sparsely=False)


def clocks(evaluation: Evaluation) -> dict[str, Clock]:
    return {clock.standard.id: clock for clock in evaluation.clocks}


@quick
@given(world=MOMENTS, rng=RNGS)
def test_without_news_what_is_overdue_stays_so_and_touch_is_only_lost(world: worlds.World, rng: Random) -> None:
    step = world.steps[0]
    today, people, policy = today_of(step), world_of(step), ENGINES[step.policy]
    for ref, person in people.people.items():
        past = evaluate(person, policy, today + 2, people.marks_for(ref))  # no record of a later day can have been accepted
        later = evaluate(person, policy, today + 2 + rng.randint(1, 400), people.marks_for(ref))
        if past is None or later is None:
            continue
        assert past.in_touch >= later.in_touch
        assert past.meaningful >= later.meaningful
        before, after = clocks(past), clocks(later)
        for name in before.keys() & after.keys():
            assert _gravity(before[name]) <= _gravity(after[name])
            assert (before[name].anchor_on, before[name].due_on) == (after[name].anchor_on, after[name].due_on)


def _gravity(clock: Clock) -> int:
    return [State.OK, State.DUE_SOON, State.UNKNOWN, State.OVERDUE].index(clock.state)


def test_an_unknown_person_has_no_day() -> None:
    policy = ENGINES["test-plain"]
    assert evaluate(Person(), policy, 739_000, {}) is None
    assert LAST_DAY > 739_000
