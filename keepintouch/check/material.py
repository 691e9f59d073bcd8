"""What is checked: people and records in memory, whatever files they came from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keepintouch.standards.world import World


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not taken in, and why. `column` and `value` are as the file has them; empty: the whole row."""

    file: str
    row: int
    """As a spreadsheet or editor counts: the first line of the file is 1."""
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: what it is for, how many rows it had, and how many of them its mapping leaves out."""

    file: str
    holds: str
    rows: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that was read."""

    world: World
    sources: tuple[Source, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """The files' own id of each ref; a ref that is not among them is its own name."""
    unfed: frozenset[str] = frozenset()
    """Fields (`visit.announced`) that no column of the files feeds: what rests on them cannot be told."""
    stood_in_at: int | None = None
    """The `recorded_at` (microseconds since 1970) of what does not say when it was typed up."""
    latest_only: bool = False
    """The files hold only the latest contact of each person: nothing can be told of the past."""
    notes: tuple[str, ...] = ()
    """What the reader had to assume, one sentence each."""
    warnings: tuple[str, ...] = ()
    """What does not fit between files, one sentence each."""

    def name(self, ref: str) -> str:
        """What the files call someone."""
        return self.names.get(ref, ref)
