"""Workers that are killed, or fall asleep, at each step of a write."""
from __future__ import annotations

from keepintouch.runtime.stopping import FAIL_STOP_STATUS
from tests.faults.scenes import MARKS, zombie
from tests.faults.stage import Run
from tests.faults.worker import CrashPoint, Step

pytestmark = MARKS


def test_killed_at_every_step_of_a_write_it_loses_and_invents_nothing(run: Run) -> None:
    run.send(run.generator.roster())
    for step in Step:
        run.send(run.generator.day(run.today, 80))
        run.sent()
        run.crew.start("a", at=CrashPoint(step))
        assert run.crew.status("a") == -9, f"it was to die {step}"
    verdict = run.end()
    assert verdict.good, verdict


def test_a_zombie_can_write_nothing(run: Run) -> None:
    zombie(run, Step.AFTER_STATES)
    assert run.crew.status("a") == FAIL_STOP_STATUS, "it found that others had taken over, and stopped"
    verdict = run.end_and_look_again()
    assert verdict.good, verdict
