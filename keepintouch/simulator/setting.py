"""What everybody in one made-up council has in common."""
from __future__ import annotations

from dataclasses import dataclass

from keepintouch.refs import Refs
from keepintouch.simulator.figures import Figures
from keepintouch.simulator.workforce import Workforce

HORIZON = 28
"""Days after the last day of history that are planned for everybody, so that the history does not depend on what is asked for."""


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a simulation: first and last of history, and the end of what is planned (exclusive)."""

    first: int
    last: int

    @property
    def end(self) -> int:
        """The first day that is not planned any more."""
        return self.last + 1 + HORIZON


@dataclass(frozen=True, slots=True)
class Setting:
    """What everybody of one simulation has in common."""

    seed: int
    refs: Refs
    days: Days
    workers: Workforce
    figures: Figures
    closes_cases: bool

    @property
    def source(self) -> str:
        """The CloudEvents source."""
        return f"urn:keep-in-touch:simulator:{self.refs.council}"
