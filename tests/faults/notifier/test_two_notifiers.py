"""Two notifiers on one PostgreSQL, one of which falls asleep and wakes up when its turn is over."""
from __future__ import annotations

import pytest

from tests.faults.notifier.scenes import MARKS, sleeper
from tests.faults.notifier.stage import ONE_STEP, Stage
from tests.faults.notifier.worker import IMPATIENT, Point
from tests.processes import until

pytestmark = [*MARKS, pytest.mark.two, pytest.mark.stage(ladder=ONE_STEP)]


def test_who_wakes_up_before_the_call_does_not_call(stage: Stage) -> None:
    """Its claim is over: what it would write down is refused, and what it would send has been sent by the other."""
    sleeper(stage, Point.CLAIMED)
    assert stage.metric("notifier_stale_claims_total", "a") == 1
    sent = stage.only_text(1)
    assert len(stage.twilio.requests) == 2
    until(lambda: any(   # the other publishes, once the database has given it the sleeper's turn
        each.told.possible_duplicate for each in stage.published() if each.told.ref and each.told.ref in sent.body))
    over(stage)


def test_who_wakes_up_after_the_call_finds_it_recorded(stage: Stage) -> None:
    sleeper(stage, Point.AFTER_CALL)
    stage.only_text(1)
    over(stage)


def test_who_sleeps_in_the_middle_of_a_release_keeps_nobody_waiting(stage: Stage) -> None:
    stage.start("a", at=Point.NOT_RELEASED, pause=True, more=IMPATIENT)
    stage.open(1)
    until(lambda: stage.crew.stands_still("a"))
    stage.start("b", more=IMPATIENT)
    stage.only_text(1)
    stage.crew.wake("a")
    over(stage)


def test_both_at_work_tell_everybody_once(stage: Stage) -> None:
    stage.twilio.calls_back = ("sent", "delivered")
    stage.start("a", ready=False)
    stage.start("b")
    for number in range(80):
        stage.open(1 + number % 12)
    over(stage)


def over(stage: Stage) -> None:
    """All is well in the end."""
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict
