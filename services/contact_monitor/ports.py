"""What the monitor asks of Kafka; `kafka.py` and `restorer.py` do it, and tests have a Kafka of their own."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.alerts import Alert

from .records import SourceRecord, Writes
from .state import StateRecord


@dataclass(frozen=True, slots=True)
class Extent:
    """Where an events partition stands when it is taken over.

    `first`: its first offset. `committed`: by the group, else the first. `end`: after the last record there is.
    """

    first: int
    committed: int
    end: int


class Writer(Protocol):
    """Writes for the partitions it has taken over, each in transactions of its own.

    What it writes shows only once it is committed. Whoever wrote for a partition before can write no more.
    """

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Write for these partitions, and for no others, from now on."""

    async def write_findings(self, partition: int, writes: Writes, now: datetime) -> None:
        """Alerts and dead letters, the first of a transaction; returns when all are acknowledged."""

    async def write_states(self, partition: int, records: Iterable[StateRecord]) -> int:
        """States, in their order; returns, when all are acknowledged, the offset in the changelog after the last."""

    async def commit(self, partition: int) -> None:
        """End the transaction: what was written holds."""


class Restorer(Protocol):
    """Reads what a worker must know before it can go on with partitions that others have had before it."""

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        """Hand every changelog record from each partition's start to its end at the call to `take`; returns the ends."""

    def events(self, extents: Mapping[int, Extent]) -> AsyncIterator[Sequence[SourceRecord]]:
        """Every event from `first` to `committed`, each partition's in order; many at a time, of one partition."""

    async def alerts(self) -> list[Alert]:
        """The newest record of each alert; tombstones are left out."""

    async def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        """Where the events partitions stand. Raises UserError if the group has read further than there is."""
