"""The monitor's life: partitions come and go, batches are folded, and what is found is written, in the order that loses nothing.

One write is: alerts and dead letters acknowledged, then states acknowledged, then the offset may be committed. A crash
anywhere leaves at most alerts that the states do not know of; whoever takes the partition over reads those and goes on from them.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress

from keepintouch.runtime.clock import Clock
from keepintouch.runtime.logs import get_logger

from . import metrics
from .faust_batches import Fetched, Handover
from .kafka import partition_of
from .ports import Restorer, Writer
from .rulebook import Rulebook
from .shard import Shard, Writes
from .state import PartitionState

MOST_EVALUATED = 800
"""People evaluated in a round because a day has come: some tenth of a second, in which a batch waits."""
_PACE_WHEN_BEHIND = 2.0
"""Most seconds between writes while a partition catches up: each person is then written once for many events."""
_TICK = 0.05
_MOST_UNWRITTEN = 50_000
_LAST_WRITE = 5.0
"""Seconds that the last write may take when the monitor is stopped: a supervisor does not wait for ever."""

log = get_logger(__name__)


class BatchLost(RuntimeError):  # noqa: N818 – it says what happened
    """A batch was fetched and never came; going on would skip it."""


class Monitor:
    """The shards of the partitions that this worker owns."""

    def __init__(self, rulebook: Rulebook, clock: Clock, restorer: Restorer, writer: Writer, handover: Handover,
                 partitions: int, settle_seconds: float, real: Callable[[], float] = time.monotonic) -> None:
        """`partitions`: how many the events topic has. `real`: real seconds from some instant, for settling."""
        self._rulebook, self._clock, self._real, self._settle_seconds = rulebook, clock, real, settle_seconds
        self._restorer, self._writer, self._handover, self._partitions = restorer, writer, handover, partitions
        self._states: dict[int, PartitionState] = {}
        self._shards: dict[int, Shard] = {}
        """Of the partitions owned now, restored."""
        self._targets: dict[int, int] = {}
        self._alerts_read: dict[int, dict[int, int]] = {}
        """For partitions just taken over: how far the alerts topic was read for them."""
        self._restored = asyncio.Event()
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()
        self._taking_over: asyncio.Task[None] | None = None
        self._has_been_assigned = self._stopping = False

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
            self._shards = {}
            self._handover.begin_again()

    async def assign(self, partitions: set[int], guard: Callable[[Awaitable[None]], Coroutine[None, None, None]]) -> None:
        """Begin to take partitions over, without holding the rebalance up; `guard` stops the process if that fails."""
        await self.revoke()
        self._taking_over = asyncio.create_task(guard(self.take_over(partitions)))

    async def take_over(self, partitions: set[int]) -> None:
        """Restore what we do not hold yet, and begin where the group stands."""
        started = time.monotonic()
        async with self._writing:
            for partition in self._states.keys() - partitions:
                del self._states[partition]
                metrics.forget_partition(partition)
            if partitions:
                self._shards = await self._restore(partitions)
        self._has_been_assigned = True
        self._restored.set()
        self._news.set()
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.set(seconds)
        log.info("state_restored", partitions=len(partitions), count=sum(map(len, self._shards.values())),
                 seconds=round(seconds, 3))

    async def fold(self, partition: int, fetched: Fetched) -> None:
        """Fold in one batch. What it leads to is written a little later; until then its offset is not committed."""
        while not self._restored.is_set() and not self._stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._restored.wait(), _TICK)
        shard = self._shards.get(partition)
        if shard is None or fetched.assignment != self._handover.assignment or self._stopping:
            return
        if fetched.follows is not None and fetched.follows > shard.position:
            raise BatchLost
        metrics.EVENTS.labels("folded").inc(shard.fold(fetched.records, self._clock.now(), self._real()))
        self._news.set()
        while shard.unwritten > _MOST_UNWRITTEN and self._shards.get(partition) is shard and not self._stopping:
            await asyncio.sleep(_TICK)

    async def run(self) -> None:
        """Write what there is to write, evaluate whom a day has come for, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _TICK)
            self._news.clear()
            await self.round()
            until = time.monotonic() + _PACE_WHEN_BEHIND
            while self._far_behind() and time.monotonic() < until:
                await asyncio.sleep(_TICK)

    async def round(self) -> None:
        """One write: findings, then states, then offsets."""
        async with self._writing:
            taken = {partition: writes for partition in sorted(self._shards) if (writes := self._next_writes(partition))}
            if not taken:
                return
            started = time.monotonic()
            alert_ends = await self._writer.write_findings(list(taken.values()), self._clock.now())
            states = {}
            for partition, writes in taken.items():
                reach = self._alerts_read.pop(partition, {}) | (alert_ends if writes.publications else {})
                reached = self._states[partition].reach_alerts(reach)
                if records := [*writes.states, *([reached] if reached else [])]:
                    states[partition] = records
            for partition, end in (await self._writer.write_states(states)).items():
                self._states[partition].end = end
            for partition, writes in taken.items():
                self._handover.durable[partition] = writes.position
            metrics.WRITE_SECONDS.observe(time.monotonic() - started)
            _count(taken.values())

    def stop_folding(self) -> None:
        """Let nobody wait any longer: what is not folded yet is for whoever comes next."""
        self._stopping = True

    async def stop(self) -> None:
        """Write what was folded, so that its offsets can be committed; nothing is folded or written afterwards."""
        self.stop_folding()
        if self._taking_over is not None:
            self._taking_over.cancel()
            await asyncio.wait([self._taking_over])
        try:
            async with asyncio.timeout(_LAST_WRITE):
                await self.round()
        except TimeoutError:
            log.warning("stopped_without_last_write")
        self._shards = {}

    async def _restore(self, partitions: set[int]) -> dict[int, Shard]:
        for partition in partitions - self._states.keys():
            self._states[partition] = PartitionState()
        states = {partition: self._states[partition] for partition in partitions}
        ends = await self._restorer.restore({p: state.end for p, state in states.items()},
                                            lambda p, key, value: states[p].put(key, value))
        for partition, end in ends.items():
            states[partition].end = max(end, states[partition].end)
        extents = await self._restorer.extents(partitions)
        alerts, alerts_read = await self._restorer.alerts(_everywhere_from(states.values()))
        shards = {p: Shard(states[p], extents[p].committed, self._rulebook, self._settle_seconds) for p in partitions}
        lost = {p: extent for p, extent in extents.items() if not states[p].whole and extent.committed > extent.first}
        if lost:
            log.warning("state_lost", partitions=len(lost))
            await self._restorer.events(lost, lambda r: shards[r.partition].fold_again(r, self._clock.now(), self._real()))
        for alert in alerts:
            if (shard := shards.get(partition_of(alert.person_ref.encode(), self._partitions))) is not None:
                shard.adopt(alert)
        self._targets = {p: extent.end for p, extent in extents.items()}
        self._alerts_read = dict.fromkeys(partitions, alerts_read)
        return shards

    def _far_behind(self) -> bool:
        """Whether there is no hurry to write: something is still to be caught up with, and nobody waits for room."""
        return any(shard.position < self._targets[partition] for partition, shard in self._shards.items()) and all(
            shard.unwritten < _MOST_UNWRITTEN for shard in self._shards.values())

    def _next_writes(self, partition: int) -> Writes | None:
        """Evaluate, and take what one shard has to write; None where there is nothing."""
        shard, now, real = self._shards[partition], self._clock.now(), self._real()
        if not shard.caught_up and shard.position >= self._targets[partition]:
            shard.caught_up = True
            if all(each.caught_up for each in self._shards.values()):
                log.info("caught_up", partitions=len(self._shards), count=sum(map(len, self._shards.values())))
        if shard.has_work(now, real):
            shard.evaluate(now, real, -(-MOST_EVALUATED // len(self._shards)))
            self._news.set()
        metrics.HEARTBEAT.labels(str(partition)).set_to_current_time()
        metrics.CAUGHT_UP.labels(str(partition)).set(shard.caught_up)
        metrics.SETTLING.labels(str(partition)).set(shard.settling)
        if not shard.unwritten and self._handover.durable.get(partition) == shard.position:
            return None
        writes = shard.take()
        metrics.PEOPLE.labels(str(partition)).set(len(shard))
        return writes


def _everywhere_from(states: Iterable[PartitionState]) -> dict[int, int]:
    """For each partition of the alerts topic, the offset from which some state may not know what was published."""
    reaches = [state.alerts_reach for state in states]
    everywhere = set.intersection(*(set(reach) for reach in reaches))
    return {partition: min(reach[partition] for reach in reaches) for partition in everywhere}


def _count(taken: Iterable[Writes]) -> None:
    for writes in taken:
        if writes.oldest_ms is not None:
            metrics.EVENT_DELAY.observe(max(0.0, time.time() - writes.oldest_ms / 1000))
        for letter in writes.dead_letters:
            metrics.EVENTS.labels(letter.refused.reason).inc()
        for publication in writes.publications:
            alert = publication.alert
            metrics.ALERTS.labels(*(("erased", "") if alert is None else (alert.status, alert.mode))).inc()
