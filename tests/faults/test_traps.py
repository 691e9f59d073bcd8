"""The verdict catches each mistake that is put back: a harness that never failed proves nothing."""
from __future__ import annotations

from tests.faults.scenes import MARKS, zombie
from tests.faults.stage import Run, Stage
from tests.faults.traps import Trap
from tests.faults.verdict import Fault, Verdict
from tests.faults.worker import CrashPoint, Step
from tests.processes import until

pytestmark = MARKS


def test_acknowledge_on_exception(run: Run) -> None:
    run.crew.start("a", trap=Trap.ACK_ON_EXCEPTION)
    run.crew.wait_ready("a")
    for _ in range(5):   # batches enough, however quick or slow it reads
        run.send(run.generator.day(run.today, 30))
        run.sent()
        until(lambda: not run.watch.behind())
    assert caught(run).count(Fault.STATE_DIFFERS)


def test_state_before_alerts(run: Run) -> None:
    run.send(run.generator.roster())
    run.crew.start("a", trap=Trap.STATE_BEFORE_ALERTS, at=CrashPoint(Step.AFTER_STATES))
    assert run.crew.status("a") == -9
    assert caught(run).count(Fault.LOST)


def test_commit_before_state(run: Run) -> None:
    run.send(run.generator.roster())
    run.crew.start("a")
    run.rest()
    run.crew.dismiss()
    run.crew.start("a", trap=Trap.COMMIT_BEFORE_STATE, at=CrashPoint(Step.BEFORE_FINDINGS))
    run.crew.wait_ready("a")
    run.send(run.generator.day(run.today, 300))
    assert run.crew.status("a") == -9
    run.crew.start("a", trap=Trap.COMMIT_BEFORE_STATE)
    assert caught(run).count(Fault.STATE_DIFFERS)


def test_zombie_writes(stage: Stage) -> None:
    """Whoever wakes up may hear that they have been replaced before they go on to write: then it is tried again."""
    for seed in range(1, 11):
        with stage.run(seed=seed) as run:
            zombie(run, Step.BEFORE_FINDINGS, Trap.ZOMBIE_WRITES)
            if not (verdict := run.end()).good:
                break
    assert verdict.count(Fault.REGRESSION) or verdict.count(Fault.STATE_DIFFERS), "which, depends on who was quicker"


def caught(run: Run) -> Verdict:
    """The verdict, which must be bad."""
    verdict = run.end()
    print(verdict)
    assert not verdict.good
    return verdict
