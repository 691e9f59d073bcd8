"""What more contact, a stricter policy or a feed that catches up may change, and in which direction only."""

import json
from random import Random

from hypothesis import given

from keepintouch.standards.clocks import FeedMarks, State
from keepintouch.standards.evaluation import Evaluation, Finding, evaluate
from keepintouch.standards.policy import Policy
from keepintouch.standards.world import World
from schemas.alerts import SEVERITIES
from tests.reference import worlds
from tests.reference.worlds import Teller

from .worlds import ENGINES, MODELS, MOMENTS, RNGS, accepted, folded, now_of, thorough, today_of, world_of

PAST_ITS_DAY = (State.OVERDUE, State.UNKNOWN)


def evaluations(world: World, policy: Policy, today: int, marks: FeedMarks | None = None) -> dict[str, Evaluation]:
    found = {ref: evaluate(person, policy, today, world.marks_for(ref) if marks is None else marks)
             for ref, person in world.people.items()}
    return {ref: evaluation for ref, evaluation in found.items() if evaluation is not None}


def told(evaluation: Evaluation) -> tuple[object, ...]:
    """What is told of an evaluation."""
    return (evaluation.in_touch, evaluation.meaningful, evaluation.unknown,
            [(f.key, f.severity, f.clock.standard, f.clock.due_on, f.clock.opens_on) for f in evaluation.findings])


def under_its_own_id(line: str) -> str:
    """The same record under an id of its own."""
    event = json.loads(line)
    event["data"]["record_id"] = "one-more"
    return json.dumps(event)


@thorough
@given(world=MOMENTS, rng=RNGS)
def test_one_more_record_never_makes_contact_worse(world: worlds.World, rng: Random) -> None:
    """Texts are never counted against anyone: only a standard that asks for other contact meanwhile can open by a record."""
    step = world.steps[0]
    policy, today = ENGINES[step.policy], today_of(step)
    before = world_of(step)
    teller = Teller(rng, now_of(step).date(), MODELS[step.policy])
    for ref in list(before.people):
        lines = [*step.lines, under_its_own_id(teller.record(ref))]
        after = evaluations(folded(accepted(lines, now_of(step))), policy, today).get(ref)
        now = evaluations(before, policy, today).get(ref)
        if after is None or now is None:
            continue
        assert after.in_touch >= now.in_touch
        assert after.meaningful >= now.meaningful
        assert after.in_scope == now.in_scope
        assert [c.standard.id for c in after.clocks] == [c.standard.id for c in now.clocks], "a record covers nobody"
        for then, there in zip(now.clocks, after.clocks, strict=True):
            if then.standard.despite is None and there.opens_on is not None:
                assert then.opens_on is not None
                assert then.opens_on <= there.opens_on


@thorough
@given(world=MOMENTS)
def test_what_a_parent_finds_a_child_finds_no_later(world: worlds.World) -> None:
    """A council can tighten what it inherits and never loosen it; what it cannot see is unknown, never kept."""
    step = world.steps[0]
    people, today = world_of(step), today_of(step)
    for parent, child in [("test-plain", "test-homes"), ("test-homes", "test-strict"), ("test-homes", "test-blind"),
                          ("test-blind", "test-blinder"), ("test-plain", "test-blinder")]:
        strict = evaluations(people, ENGINES[child], today)
        for ref, evaluation in evaluations(people, ENGINES[parent], today).items():
            found = {finding.rule: finding for finding in strict[ref].findings}
            for finding in evaluation.findings:
                if finding.rule not in found:
                    assert finding.rule in strict[ref].unknown
                    continue
                if not ENGINES[child].feeds:
                    assert _severity(found[finding.rule]) >= _severity(finding)
                    assert _opens(found[finding.rule]) <= _opens(finding)


@thorough
@given(world=MOMENTS)
def test_feeds_that_catch_up_only_settle_what_is_unknown(world: worlds.World) -> None:
    step = world.steps[0]
    policy, today = ENGINES["test-strict"], today_of(step)
    people = world_of(step)
    behind = evaluations(people, policy, today)
    caught_up = evaluations(people, policy, today, dict.fromkeys(policy.feeds, today))
    for ref, then in behind.items():
        there = caught_up[ref]
        assert there.unknown == ()
        assert {finding.rule for finding in there.findings} == {f.rule for f in then.findings} | set(then.unknown)
        assert [(c.standard, c.anchor_on, c.due_on, c.opens_on) for c in there.clocks] == [
            (c.standard, c.anchor_on, c.due_on, c.opens_on) for c in then.clocks]


@thorough
@given(world=MOMENTS)
def test_what_is_open_already_keeps_open_what_waits_for_feeds(world: worlds.World) -> None:
    step = world.steps[0]
    policy, today = ENGINES["test-strict"], today_of(step)
    people = world_of(step)
    for ref, then in evaluations(people, policy, today).items():
        keys = [(clock.standard.rule, clock.anchor_on) for clock in then.clocks if clock.state is State.UNKNOWN]
        there = evaluate(people.people[ref], policy, today, people.marks_for(ref), keys)
        assert there is not None
        assert there.unknown == ()
        assert {clock.standard.id for clock in there.clocks if clock.state is State.OVERDUE} == {
            clock.standard.id for clock in then.clocks if clock.state in PAST_ITS_DAY}


@thorough
@given(world=MOMENTS, rng=RNGS)
def test_a_record_voided_is_a_record_that_never_was(world: worlds.World, rng: Random) -> None:
    step = world.steps[0]
    policy, today, at = ENGINES[step.policy], today_of(step), now_of(step)
    teller = Teller(rng, at.date(), MODELS[step.policy])
    before = evaluations(world_of(step), policy, today)
    for ref in before:
        record = under_its_own_id(teller.record(ref))
        void = json.loads(teller.void(ref))
        void["data"] |= {"record_id": "one-more", "recorded_at": json.loads(record)["data"]["recorded_at"]}
        void["id"] = "\U0010ffff"  # after every other id
        lines = [*step.lines, record, json.dumps(void)]
        rng.shuffle(lines)
        after = evaluations(folded(accepted(lines, at)), policy, today)[ref]
        assert told(after) == told(before[ref])


def _severity(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _opens(finding: Finding) -> int:
    assert finding.clock.opens_on is not None
    return finding.clock.opens_on
