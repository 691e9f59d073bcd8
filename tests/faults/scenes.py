"""What happens in more than one test."""
from __future__ import annotations

import pytest

from tests.processes import until

from .stage import Run
from .traps import Trap
from .worker import CrashPoint, Step

MARKS = [pytest.mark.broker, pytest.mark.slow]
"""Of every test with processes."""


def zombie(run: Run, step: Step, trap: Trap | None = None) -> None:
    """A worker falls asleep in the middle of a write, another one takes over and goes on; then the first wakes up.

    Returns when the first has ended, or has written what it had begun.
    """
    run.send(run.generator.roster())
    run.sent()
    run.crew.start("a", at=CrashPoint(step, pause=True), trap=trap)
    until(lambda: run.crew.stands_still("a"))
    run.crew.start("b", trap=trap)
    run.crew.wait_ready("b")
    run.send(run.generator.day(run.today, 300))
    run.rest()
    written = run.watch.written()
    run.crew.wake("a")
    until(lambda: "a" not in run.crew.running or run.watch.written() != written)
