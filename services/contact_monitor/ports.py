"""What the monitor asks of Kafka; `kafka.py` does it, and tests have a Kafka of their own."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.alerts import Alert

from .shard import SourceRecord, Writes
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
    """Writes what shards have to write, and returns only when all of it is acknowledged."""

    async def write_findings(self, writes: Iterable[Writes], now: datetime) -> dict[int, int]:
        """Alerts and dead letters; returns the offset after the last alert, by partition of the alerts topic."""

    async def write_states(self, states: Mapping[int, Iterable[StateRecord]]) -> dict[int, int]:
        """States, by partition, in their order; returns the offset after the last, by partition of the changelog."""


class Restorer(Protocol):
    """Reads what a worker must know before it can go on with partitions that others have had before it."""

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        """Hand every changelog record from each partition's start to its end at the call to `take`; returns the ends."""

    async def events(self, extents: Mapping[int, Extent], take: Callable[[SourceRecord], object]) -> None:
        """Hand every event from `first` to `committed` to `take`, each partition's in order."""

    async def alerts(self, starts: Mapping[int, int]) -> tuple[list[Alert], dict[int, int]]:
        """The newest record of each alert published at or after `starts`, and the ends up to which was read.

        `starts` and ends are by partition of the alerts topic; a partition without start is read whole. Tombstones are left out.
        """

    async def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        """Where the events partitions stand. Raises UserError if the group has read further than there is."""
