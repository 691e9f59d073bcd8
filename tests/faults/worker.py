"""The monitor as it is, but for one thing that goes wrong: `python -m tests.faults.worker`.

By environment variables that nothing else knows: a *crash point*, at which the process kills or pauses itself, and a *trap*, a
mistake of the kind that loses or invents alerts, put back into it (see `traps`). Production code has no switch for either; what
it is made of is replaced here, from outside, before it starts.
"""
from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from services.contact_monitor import kafka, main
from services.contact_monitor.records import Writes


class Step(StrEnum):
    """Where a worker can come to grief: the steps of a write that has alerts in it."""

    BEFORE_FINDINGS = "before_findings"
    SOME_ALERTS = "some_alerts"
    AFTER_FINDINGS = "after_findings"
    AFTER_STATES = "after_states"
    AFTER_COMMIT = "after_commit"
    """The write is committed, its offset not yet."""


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A step, and at which time of its being reached; `pause`: stop there (SIGSTOP) instead of being killed."""

    VARIABLES: ClassVar = ("FAULT_STEP", "FAULT_TIME", "FAULT_SIGNAL")

    step: Step
    time: int = 1
    pause: bool = False

    def env(self) -> dict[str, str]:
        """How a worker is told."""
        return dict(zip(self.VARIABLES, (self.step, str(self.time), "SIGSTOP" if self.pause else "SIGKILL"), strict=True))

    @classmethod
    def told(cls) -> CrashPoint | None:
        """What this process is told."""
        step, time, how = (os.environ.get(name) for name in cls.VARIABLES)
        return cls(Step(step), int(time or 1), how == "SIGSTOP") if step else None

    def __str__(self) -> str:
        return f"{self.step}, time {self.time}"


class Fate:
    """Counts how often steps are reached, and strikes when it is time."""

    def __init__(self, point: CrashPoint | None) -> None:
        self._point = point
        self._left = point.time if point else 0

    def is_now(self, step: Step) -> bool:
        """Whether it strikes at a step that is being reached now."""
        if self._point is None or self._point.step is not step:
            return False
        self._left -= 1
        return self._left == 0

    def strike(self) -> None:
        """Be killed; or stand still, and go on when told to."""
        assert self._point is not None
        os.kill(os.getpid(), signal.SIGSTOP if self._point.pause else signal.SIGKILL)

    def reach(self, step: Step) -> None:
        """A step is reached."""
        if self.is_now(step):
            self.strike()


class FaultyWriter(kafka.Writer):
    """Writes as its parent does, and comes to grief at its crash point."""

    fate = Fate(None)

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._counted = set[int]()
        """Partitions whose present write is one that counts."""

    def counts(self, writes: Writes) -> bool:
        """Whether the steps of a write are counted."""
        return bool(writes.publications)

    async def write_findings(self, partition: int, writes: Writes, now: datetime) -> None:
        """Two steps, and one in between."""
        self._counted.discard(partition)
        if self.counts(writes):
            self._counted.add(partition)
        await self.reach(Step.BEFORE_FINDINGS, partition)
        if self.counts(writes) and self.fate.is_now(Step.SOME_ALERTS):
            await super().write_findings(partition, replace(writes, publications=writes.publications[:-1]), now)
            self.fate.strike()
        await super().write_findings(partition, writes, now)
        await self.reach(Step.AFTER_FINDINGS, partition)

    async def write_states(self, partition: int, *records: Any) -> int:
        """One step."""
        end = await super().write_states(partition, *records)
        await self.reach(Step.AFTER_STATES, partition)
        return end

    async def commit(self, partition: int) -> None:
        """The last step."""
        await super().commit(partition)
        await self.reach(Step.AFTER_COMMIT, partition)

    async def reach(self, step: Step, partition: int) -> None:
        """A step of a partition's write is reached."""
        if partition in self._counted:
            self.fate.reach(step)


def run() -> None:
    """Replace what is to be replaced, and work."""
    from .traps import VARIABLE, Trap, set_trap

    FaultyWriter.fate = Fate(CrashPoint.told())
    replaced: Any = main
    replaced.Writer = FaultyWriter
    if trap := os.environ.get(VARIABLE):
        set_trap(Trap(trap))
    main.main()


if __name__ == "__main__":
    from tests.faults import worker  # the one that others import, not a second one called __main__

    worker.run()
