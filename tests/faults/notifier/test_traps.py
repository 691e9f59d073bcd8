"""The verdict catches each mistake that is put back: a harness that never failed proves nothing."""
from __future__ import annotations

import pytest

from tests.faults.notifier.scenes import MARKS, killed_at, sleeper
from tests.faults.notifier.stage import ONE_STEP, Stage
from tests.faults.notifier.traps import Trap
from tests.faults.notifier.verdict import Fault, Verdict
from tests.faults.notifier.worker import Point
from tests.processes import until

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP)]


def test_offset_before_intent(stage: Stage) -> None:
    killed_at(stage, Point.READ_NOT_WRITTEN, Trap.OFFSET_BEFORE_INTENT)
    assert caught(stage, within=2).count(Fault.LOST)


def test_resend_without_look(stage: Stage) -> None:
    killed_at(stage, Point.AFTER_CALL, Trap.RESEND_WITHOUT_LOOK)
    until(lambda: len(stage.texts(1)) > 1)
    assert caught(stage).count(Fault.DOUBLED)


def test_send_before_intent(stage: Stage) -> None:
    killed_at(stage, Point.AFTER_CALL, Trap.SEND_BEFORE_INTENT)
    until(lambda: len(stage.texts(1)) > 1)
    assert caught(stage).count(Fault.DOUBLED)


def test_backwards(stage: Stage) -> None:
    stage.start(trap=Trap.BACKWARDS)
    one = stage.open(1)
    sent = stage.only_text(1)
    for status in ("delivered", "sent", "delivered"):
        assert stage.twilio.call_back(sent, status) == 204
        until(lambda: stage.story(one)[-1] == status)   # noqa: B023 – of what is told in one go only the end is published
    assert caught(stage).count(Fault.LEFT_FINAL)


@pytest.mark.two
def test_no_fence(stage: Stage) -> None:
    sleeper(stage, Point.CLAIMED, Trap.NO_FENCE)
    until(lambda: len(stage.texts(1)) > 1)
    assert caught(stage).count(Fault.DOUBLED)


def caught(stage: Stage, within: float = 10.0) -> Verdict:
    """The verdict, which must be bad."""
    stage.twilio.finish()
    verdict = stage.end(within)
    assert not verdict.good
    return verdict
