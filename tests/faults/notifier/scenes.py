"""What happens in more than one test."""
from __future__ import annotations

import pytest

from tests.processes import until

from .stage import Stage
from .traps import Trap
from .worker import IMPATIENT, Point

MARKS = [pytest.mark.broker, pytest.mark.slow]
"""Of every test with processes."""


def killed_at(stage: Stage, point: Point, trap: Trap | None = None) -> None:
    """An alert opens, and the notifier that sees to it is killed; then another one takes its place."""
    stage.open(1)
    stage.start(at=point, trap=trap, more=IMPATIENT)
    stage.crew.await_death("a")
    stage.start(trap=trap, more=IMPATIENT)


def sleeper(stage: Stage, point: Point, trap: Trap | None = None) -> None:
    """One notifier falls asleep with a message in hand; another one takes over and brings it to its end; then the first wakes
    up. Returns when the first has done what it then does.
    """
    stage.start("a", at=point, pause=True, trap=trap, more=IMPATIENT)
    stage.open(1)
    until(lambda: stage.crew.stands_still("a"))
    stage.start("b", trap=trap, more=IMPATIENT)
    until(lambda: stage.rows("SELECT 1 FROM message WHERE state = 'accepted'"))
    stage.open(2)   # and goes on with its work
    stage.only_text(2)
    stage.crew.wake("a")
    until(lambda: stage.is_ready("a"))
    until(lambda: stage.metric("notifier_stale_claims_total", "a") or trap or point is not Point.CLAIMED)
