"""Reasons agree with states: `explain` says of each standard and record what `evaluate`, and the second reading, make of it."""

from hypothesis import given

from keepintouch.standards.clocks import State, Why
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.explanation import RecordReason, StandardReason, Verdict, explain
from tests.reference import model, worlds
from tests.reference.days import day_of

from .worlds import ENGINES, MODELS, MOMENTS, thorough, today_of, world_of


@thorough
@given(world=MOMENTS)
def test_reasons_agree_with_the_evaluation_and_with_the_second_reading(world: worlds.World) -> None:
    step = world.steps[0]
    people, policy, today = world_of(step), ENGINES[step.policy], today_of(step)
    for ref, person in people.people.items():
        marks = people.marks_for(ref)
        evaluation, explanation = evaluate(person, policy, today, marks), explain(person, policy, today, marks)
        if evaluation is None:
            assert explanation is None
            continue
        assert explanation is not None
        assert explanation.evaluation.findings == evaluation.findings
        assert (explanation.out_of_scope is None) == evaluation.in_scope
        assert tuple(s.clock for s in explanation.standards if s.clock is not None) == evaluation.clocks
        other = model.person_in(step.lines, step.as_of, ref)
        assert other is not None
        for reason, standard in zip(explanation.standards, MODELS[step.policy].standards, strict=True):
            assert reason.standard.id == standard["id"]
            assert (reason.clock is not None) == model.covers(other, standard)
            if reason.clock is None:
                assert reason.records == ()
                assert reason.not_covered is not None or explanation.out_of_scope is not None
                continue
            assert reason.not_covered is None
            assert len(reason.records) == len(person.registers)
            agree_about_records(reason, standard, other)


def agree_about_records(reason: StandardReason, standard: model.Facts, other: model.Person) -> None:
    """Each record that counts today has the verdict of the second reading; the one that anchors is marked."""
    by_id = {record["record_id"]: record for record in other.records}
    clock = reason.clock
    assert clock is not None
    anchors = [r for r in reason.records if r.verdict is Verdict.ANCHORS]
    assert len(anchors) == (clock.anchor is not None)
    assert all(r.day == (clock.anchor_on if standard.get("every") else r.day) for r in anchors)
    for record in reason.records:
        if record.verdict in (Verdict.VOIDED, Verdict.TO_COME):
            assert record.record_id not in by_id
            assert not record.counts_meanwhile
            continue
        told = by_id.pop(record.record_id)
        assert record.known == other.known(told)
        assert record.day == day_of(told["occurred_at"]).toordinal()
        agree_about_needs(record, standard, told, other)
        agree_about_meanwhile(record, reason, standard, told, other)
    assert not by_id, "every record has its reason"


def agree_about_needs(record: RecordReason, standard: model.Facts, told: model.Facts, other: model.Person) -> None:
    if "needs" not in standard:
        assert (record.verdict, record.miss) == (Verdict.NOTHING_NEEDED, None)
        return
    satisfies = model.satisfies(other, standard["needs"], told)
    assert (record.miss is None) == satisfies
    assert (record.verdict is Verdict.MISSES) == (not satisfies)
    start = model.from_day(other, standard)
    assert start is not None
    before = satisfies and day_of(told["occurred_at"]) < start and not standard["needs"].get("ever")
    if before:
        assert record.verdict is Verdict.TOO_EARLY
    elif satisfies:
        assert record.verdict in (Verdict.ANCHORS, Verdict.SATISFIES)


def agree_about_meanwhile(record: RecordReason, reason: StandardReason, standard: model.Facts, told: model.Facts,
                          other: model.Person) -> None:
    if "despite" not in standard:
        assert (record.counts_meanwhile, record.meanwhile_miss) == (False, None)
        return
    assert reason.clock is not None
    matches = model.is_despite(other, standard["despite"], told)
    if record.counts_meanwhile:
        assert matches
        assert record.day is not None
        assert record.day >= reason.clock.anchor_on
    assert (record.meanwhile_miss is None) == matches


@thorough
@given(world=MOMENTS)
def test_every_state_has_the_why_that_belongs_to_it(world: worlds.World) -> None:
    step = world.steps[0]
    people, policy, today = world_of(step), ENGINES[step.policy], today_of(step)
    whys = {
        State.OK: {Why.SATISFIED_ONCE, Why.NOT_ENOUGH_MEANWHILE, Why.NOT_YET}, State.DUE_SOON: {Why.NOT_YET},
        State.OVERDUE: {Why.PAST_ITS_DAY, Why.STAYS_OPEN}, State.UNKNOWN: {Why.FEEDS_BEHIND, Why.CANNOT_SEE}}
    for ref, person in people.people.items():
        evaluation = evaluate(person, policy, today, people.marks_for(ref))
        for clock in () if evaluation is None else evaluation.clocks:
            assert clock.why in whys[clock.state]
            if clock.opens_on is not None:
                assert (clock.state in (State.OVERDUE, State.UNKNOWN)) == (today >= clock.opens_on)
                assert clock.due_on is not None
                assert clock.anchor_on <= clock.due_on < clock.opens_on
            else:
                assert clock.why in (Why.SATISFIED_ONCE, Why.NOT_ENOUGH_MEANWHILE)
