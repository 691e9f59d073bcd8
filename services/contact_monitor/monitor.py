"""The monitor's life: partitions come and go, batches are folded, and what is found is written, in the order that loses nothing.

One write is: alerts and dead letters acknowledged, then states acknowledged, then the offset may be committed. A crash
anywhere repeats records that are already there, with the same ids and numbers.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress

from keepintouch.runtime.clock import Clock
from keepintouch.runtime.logs import get_logger

from . import metrics
from .faust_batches import Offsets
from .kafka import Restorer, Writer
from .rulebook import Rulebook
from .shard import Shard, SourceRecord, Writes

MOST_EVALUATED = 200
"""People evaluated because a day has come, per partition and round: a round must not hold a batch up."""
_PACE_WHEN_BEHIND = 0.5
"""Seconds between writes while a partition catches up: each person is then written once for many events."""
_TICK = 0.05
_MOST_UNWRITTEN = 50_000

log = get_logger(__name__)


class Monitor:
    """The shards of the partitions that this worker owns."""

    def __init__(self, rulebook: Rulebook, clock: Clock, restorer: Restorer, writer: Writer, durable: Offsets,
                 settle_seconds: float) -> None:
        self._rulebook, self._clock, self._settle_seconds = rulebook, clock, settle_seconds
        self._restorer, self._writer, self._durable = restorer, writer, durable
        self._shards: dict[int, Shard] = {}
        self._owned: set[int] = set()
        self._ends: dict[int, int] = {}
        self._targets: dict[int, int] = {}
        self._restored = asyncio.Event()
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()
        self._taking_over: asyncio.Task[None] | None = None
        self._has_been_assigned = False

    def not_ready(self) -> list[str]:
        """Why this worker is not ready: no partitions yet, not restored, not caught up."""
        if not self._has_been_assigned:
            return ["no_partitions_assigned_yet"]
        if not self._restored.is_set():
            return ["restoring"]
        return [] if all(shard.caught_up for shard in list(self._shards.values())) else ["catching_up"]

    async def revoke(self) -> None:
        """Give up every partition; what is not durable yet is forgotten, for the next owner reads it again."""
        self._restored.clear()
        if self._taking_over is not None:
            self._taking_over.cancel()
            await asyncio.wait([self._taking_over])
            self._taking_over = None
        async with self._writing:
            self._owned = set()
            self._durable.clear()

    def assign(self, partitions: set[int], guard: Callable[[Awaitable[None]], Coroutine[None, None, None]]) -> None:
        """Begin to take partitions over, without holding the rebalance up; `guard` stops the process if that fails."""
        self._taking_over = asyncio.create_task(guard(self.take_over(partitions)))

    async def take_over(self, partitions: set[int]) -> None:
        """Restore what we do not hold yet, and begin where the group stands."""
        started = time.monotonic()
        async with self._writing:
            for partition in self._shards.keys() - partitions:
                del self._shards[partition]
                self._ends.pop(partition, None)
                for gauge in (metrics.PEOPLE, metrics.HEARTBEAT, metrics.CAUGHT_UP, metrics.SETTLING):
                    gauge.remove(str(partition))
            for partition in partitions - self._shards.keys():
                self._shards[partition] = Shard(self._rulebook, self._settle_seconds)
            if partitions:
                starts = {partition: self._ends.get(partition, 0) for partition in partitions}
                self._ends |= await self._restorer.restore(starts, lambda p, key, value: self._shards[p].restore(key, value))
                for partition, extent in (await self._restorer.extents(partitions)).items():
                    self._shards[partition].resume(extent.committed)
                    self._targets[partition] = extent.end
            self._owned = partitions
        self._has_been_assigned = True
        self._restored.set()
        self._news.set()
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.set(seconds)
        log.info("state_restored", partitions=len(partitions), count=sum(map(len, self._shards.values())),
                 seconds=round(seconds, 3))

    async def fold(self, partition: int, records: Sequence[SourceRecord]) -> None:
        """Fold in one batch. What it leads to is written a little later; until then its offset is not committed."""
        await self._restored.wait()
        if partition not in self._owned:
            return
        shard = self._shards[partition]
        metrics.EVENTS.labels("folded").inc(shard.fold(records, self._clock.now(), time.monotonic()))
        self._news.set()
        while shard.unwritten > _MOST_UNWRITTEN and partition in self._owned:
            await asyncio.sleep(_TICK)

    async def run(self) -> None:
        """Write what there is to write, evaluate whom a day has come for, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _TICK)
            self._news.clear()
            await self.round()
            if not all(shard.caught_up for shard in self._shards.values()):
                await asyncio.sleep(_PACE_WHEN_BEHIND)

    async def round(self) -> None:
        """One write: findings, then states, then offsets."""
        async with self._writing:
            taken = {partition: writes for partition in sorted(self._owned) if (writes := self._next_writes(partition))}
            if not taken:
                return
            started = time.monotonic()
            await self._writer.write_findings(list(taken.values()), self._clock.now())
            self._ends |= await self._writer.write_states({p: writes.states for p, writes in taken.items() if writes.states})
            for partition, writes in taken.items():
                self._durable[partition] = writes.position
            metrics.WRITE_SECONDS.observe(time.monotonic() - started)
            _count(taken.values())

    def _next_writes(self, partition: int) -> Writes | None:
        """Evaluate, and take what one shard has to write; None where there is nothing."""
        shard, now, real = self._shards[partition], self._clock.now(), time.monotonic()
        if not shard.caught_up and shard.position >= self._targets[partition]:
            shard.caught_up = True
            if all(self._shards[p].caught_up for p in self._owned):
                log.info("caught_up", partitions=len(self._owned), count=sum(map(len, self._shards.values())))
        if shard.has_work(now, real):
            shard.evaluate(now, real, MOST_EVALUATED)
            self._news.set()
        metrics.HEARTBEAT.labels(str(partition)).set_to_current_time()
        metrics.CAUGHT_UP.labels(str(partition)).set(shard.caught_up)
        metrics.SETTLING.labels(str(partition)).set(shard.settling)
        if not shard.unwritten and self._durable.get(partition) == shard.position:
            return None
        writes = shard.take()
        metrics.PEOPLE.labels(str(partition)).set(len(shard))
        return writes


def _count(taken: Iterable[Writes]) -> None:
    for writes in taken:
        if writes.oldest_ms is not None:
            metrics.EVENT_DELAY.observe(max(0.0, time.time() - writes.oldest_ms / 1000))
        for letter in writes.dead_letters:
            metrics.EVENTS.labels(letter.refused.reason).inc()
        for publication in writes.publications:
            alert = publication.alert
            metrics.ALERTS.labels(*(("erased", "") if alert is None else (alert.status, alert.mode))).inc()
