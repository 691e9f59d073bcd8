"""The monitor's life: partitions come and go, batches are folded, and what is found is written, in the order that loses nothing.

One write of one partition is a transaction: alerts and dead letters acknowledged, then states and the position they are whole
up to acknowledged, then the transaction committed; only then may the offset be. So a crash anywhere leaves all of a write or
nothing, and whoever takes the partition over goes on from its position.
"""
from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress

from keepintouch.runtime.clock import Clock
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.partitions import partition_of

from . import metrics
from .faust_batches import Fetched, Handover
from .ports import Extent, Restorer, Writer
from .records import Writes
from .rulebook import Rulebook
from .shard import Shard
from .sources import BadRatios
from .state import PartitionState

MOST_EVALUATED = 200
"""People of one partition evaluated at once because a day has come: a hundredth of a second, in which everything else waits."""
_SWEEPING = 3
"""Partitions that may do so at a time, one while the others wait for Kafka: a write takes several turns, and every other
partition's piece of work may come between any two of them."""
_PACE_BEHIND, _PACE_CATCHING_UP = 4.0, 20.0
"""Seconds between writes while there is a backlog, and before a worker has caught up for the first time: each person is then
written, and in the first case evaluated, once for many events."""
_PACE_OF_STATES = 0.25
"""Seconds from one write to the next where nothing was found that anybody waits for: a transaction costs Kafka as much as the
reading of a hundred events, and alerts go out the sooner the fewer there are beside theirs. Offsets are committed twice a
second anyway."""
_BACKLOG = 1_000
"""Records of one partition in one fetch that say there are more where they came from …"""
_BACKLOG_LASTS = 0.25
"""… and for how many seconds that is believed."""
_STUCK_AFTER = 120.0
"""Seconds without a round after which something is wrong: a write that takes half as long ends the process."""
_ASLEEP_TOO_LONG = 6 * 3600.0
"""Seconds that a worker may be paused and go on with what it remembers. Kafka keeps tombstones of the changelog for a day:
whoever slept longer would not learn who has been erased."""
_QUIET_AT_MOST = 24 * 3600.0
"""Seconds after which a partition where nothing has happened is written to all the same: an empty transaction. Of a producer it
has not heard of for a week (`transactional.id.expiration.ms`) Kafka knows nothing any more, and takes nothing from it."""
_TICK = 0.02
_MOST_UNWRITTEN = 2_000_000
"""What may wait to be written, in records of some 320 bytes: 640 MB. Folding waits where there is more."""
_LAST_WRITE = 5.0
"""Seconds that the last write may take when the monitor is stopped: a supervisor does not wait for ever."""

_wall_clock = time.time   # the monotonic one may stand still while the whole machine sleeps

log = get_logger(__name__)


class BatchLost(RuntimeError):  # noqa: N818 – it says what happened
    """A batch was fetched and never came; going on would skip it."""


class SleptTooLong(RuntimeError):  # noqa: N818
    """The process was paused for hours: what it remembers is not to be relied on, and a new one reads everything anew."""


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
        self._bad_ratios = BadRatios(rulebook.slugs)
        self._sweeping = set[int]()
        """Partitions writing what a day has brought."""
        self._looked_after: dict[int, float] = {}
        """When each partition was last looked after, in monotonic seconds."""
        self._written: dict[int, float] = {}
        """When the last write of each partition began."""
        self._backlog_seen = -_BACKLOG_LASTS
        """When a fetch last brought so much that there must be more; monotonic seconds."""
        self._restored = asyncio.Event()
        self._writing = defaultdict[int, asyncio.Lock](asyncio.Lock)
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

    def unwell(self) -> list[str]:
        """Why this worker should be started again: its partitions are restored, and nobody looks after them."""
        now = time.monotonic()
        stuck = any(now - self._looked_after.get(partition, now) > _STUCK_AFTER for partition in list(self._shards))
        return ["partitions_not_looked_after"] if stuck else []

    def note_ends(self, end_of: Callable[[int], int | None]) -> None:
        """Say how far each partition is behind its end, where that is known."""
        for partition, shard in list(self._shards.items()):
            if (end := end_of(partition)) is not None:
                metrics.LAG.labels(str(partition)).set(max(0, end - shard.position))

    async def revoke(self) -> None:
        """Give up every partition; what is not durable yet is forgotten, for the next owner reads it again."""
        self._restored.clear()
        if self._taking_over is not None:
            self._taking_over.cancel()
            await asyncio.wait([self._taking_over])
            self._taking_over = None
        going, self._shards = self._shards, {}
        for partition, shard in going.items():
            async with self._writing[partition]:  # a write that is under way comes to its end
                shard.close()
        self._handover.begin_again()

    async def assign(self, partitions: set[int], guard: Callable[[Awaitable[None]], Coroutine[None, None, None]]) -> None:
        """Begin to take partitions over, without holding the rebalance up; `guard` stops the process if that fails."""
        await self.revoke()
        self._taking_over = asyncio.create_task(guard(self.take_over(partitions)))

    async def take_over(self, partitions: set[int]) -> None:
        """Restore what we do not hold yet, and begin where the group stands."""
        started = time.monotonic()
        for partition in self._states.keys() - partitions:
            del self._states[partition]
            metrics.forget_partition(partition)
        shards = await self._restore(partitions) if partitions else {}
        self._looked_after = dict.fromkeys(shards, time.monotonic())
        self._written = {}
        self._shards = shards
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
                async with asyncio.timeout(_TICK):
                    await self._restored.wait()
        shard = self._shards.get(partition)
        if shard is None or fetched.assignment != self._handover.assignment or self._stopping:
            return
        if fetched.follows is not None and fetched.follows > shard.position:
            raise BatchLost
        metrics.EVENTS.labels("folded").inc(shard.fold(fetched.records, self._clock.now(), self._real()))
        if len(fetched.records) >= _BACKLOG:
            self._backlog_seen = time.monotonic()
        self._news.set()
        while self._unwritten > _MOST_UNWRITTEN and self._shards.get(partition) is shard and not self._stopping:
            await asyncio.sleep(_TICK)

    async def run(self) -> None:
        """Look after every partition, each for itself, until cancelled: evaluate whom a day has come for, write what there is."""
        looking: dict[int, asyncio.Task[None]] = {}
        awake_at = _wall_clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._news.wait()
            self._news.clear()
            if _wall_clock() - awake_at > _ASLEEP_TOO_LONG:
                raise SleptTooLong
            awake_at = _wall_clock()
            for partition, task in list(looking.items()):
                if task.done():
                    del looking[partition]
                    task.result()
            self._handover.busy = bool(self._sweeping)
            now = time.monotonic()
            for partition in sorted(self._shards.keys() - looking.keys()):
                if now >= self._written.get(partition, 0.0) + self._pace(partition):
                    looking[partition] = asyncio.create_task(self._look_after(partition, now))

    async def round(self) -> None:
        """Look after every partition once, and write all there is."""
        await asyncio.gather(*(self._look_after(partition, math.inf) for partition in sorted(self._shards)))

    async def _look_after(self, partition: int, at: float) -> None:
        """Evaluate whom there is to, and write what may be written by then, in monotonic seconds."""
        async with self._writing[partition]:
            if partition not in self._shards:
                return
            self._looked_after[partition] = began = time.monotonic()
            writes = self._next_writes(partition, at >= self._written.get(partition, 0.0) + _PACE_OF_STATES)
            if writes is not None:
                self._written[partition] = began
                await self._write(partition, writes)
            if writes is not None or partition in self._sweeping:
                self._sweeping.discard(partition)
                self._news.set()  # there may be more by now

    async def _write(self, partition: int, writes: Writes) -> None:
        """Findings, then states, then the offset: each when Kafka has acknowledged what goes before it."""
        started = time.monotonic()
        await self._transact(partition, writes)
        self._handover.durable[partition] = writes.position
        metrics.WRITE_SECONDS.observe(time.monotonic() - started)
        self._count(writes)

    async def _transact(self, partition: int, writes: Writes) -> None:
        await self._writer.write_findings(partition, writes, self._clock.now())
        end = await self._writer.write_states(partition, writes.states)
        await self._writer.commit(partition)
        self._states[partition].end = max(end, self._states[partition].end)

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
        await self._writer.take_over(partitions)  # before anything is read: what others had begun is void from here on
        for partition in partitions - self._states.keys():
            self._states[partition] = PartitionState()
        states = {partition: self._states[partition] for partition in partitions}
        ends = await self._restorer.restore({p: state.end for p, state in states.items()},
                                            lambda p, key, value: states[p].put(key, value))
        for partition, end in ends.items():
            states[partition].end = max(end, states[partition].end)
        extents = await self._restorer.extents(partitions)
        shards = {p: Shard(states[p], self._rulebook, self._settle_seconds) for p in partitions}
        if lost := {p: extent for p, extent in extents.items() if shards[p].lacks(extent.committed)}:
            await self._rebuild({p: shards[p] for p in lost}, lost)
        self._targets = {p: extent.end for p, extent in extents.items()}
        return shards

    async def _rebuild(self, shards: Mapping[int, Shard], extents: Mapping[int, Extent]) -> None:
        """Fold again what was folded before, and go on from the alerts there are: of these partitions no whole state is left."""
        if again := {p: extent for p, extent in extents.items() if extent.committed > extent.first}:
            log.warning("state_lost", partitions=len(again))
            async for records in self._restorer.events(again):
                shard = shards[records[0].partition]
                shard.fold_again(records, self._clock.now(), self._real())
                if shard.unwritten > _MOST_UNWRITTEN:
                    await self._transact(records[0].partition, shard.take())
        for alert in await self._restorer.alerts():  # after the events: an erasure among them may be older than an alert
            if (owner := shards.get(partition_of(alert.person_ref.encode(), self._partitions))) is not None:
                owner.adopt(alert)
        for partition, shard in shards.items():
            shard.rebuilt(extents[partition].committed)

    def _pace(self, partition: int) -> float:
        """Seconds from one write to the next: none where there is a hurry, or somebody waits for room."""
        if self._unwritten > _MOST_UNWRITTEN:
            return 0.0
        if self._shards[partition].position < self._targets[partition]:
            return _PACE_CATCHING_UP
        return _PACE_BEHIND if time.monotonic() - self._backlog_seen < _BACKLOG_LASTS else 0.0

    @property
    def _unwritten(self) -> int:
        return sum(shard.unwritten for shard in self._shards.values())

    def _next_writes(self, partition: int, states_alone: bool) -> Writes | None:
        """Evaluate, and take what one shard has to write; None where there is nothing, or only states and they can wait."""
        shard = self._shards[partition]
        if not shard.caught_up and shard.position >= self._targets[partition]:
            shard.caught_up = True
            if all(each.caught_up for each in self._shards.values()):
                log.info("caught_up", partitions=len(self._shards), count=sum(map(len, self._shards.values())))
        now, real = self._clock.now(), self._real()
        most = MOST_EVALUATED if len(self._sweeping) < _SWEEPING else 0
        if shard.has_work(now, real) and shard.evaluate(now, real, most):
            self._sweeping.add(partition)
        metrics.HEARTBEAT.labels(str(partition)).set_to_current_time()
        metrics.CAUGHT_UP.labels(str(partition)).set(shard.caught_up)
        metrics.SETTLING.labels(str(partition)).set(shard.settling)
        metrics.NOT_LOOKED_AT.labels(str(partition)).set(shard.not_looked_at)
        if not shard.unwritten and self._handover.durable.get(partition) == shard.position and (
                time.monotonic() - self._written.get(partition, 0.0) < _QUIET_AT_MOST):
            return None
        if not (states_alone or shard.found or partition in self._sweeping):
            return None
        writes = shard.take()
        metrics.PEOPLE.labels(str(partition)).set(len(shard))
        return writes

    def _count(self, writes: Writes) -> None:
        if writes.oldest_ms is not None:
            metrics.EVENT_DELAY.observe(max(0.0, time.time() - writes.oldest_ms / 1000))
        for source, count in writes.accepted.items():
            self._bad_ratios.note_good(source, count)
        for letter in writes.dead_letters:
            self._bad_ratios.note_bad(letter.refused.source)
            metrics.EVENTS.labels(letter.refused.reason).inc()
        if writes.accepted or writes.dead_letters:
            for source, ratio in self._bad_ratios.ratios().items():
                metrics.BAD_SOURCES.labels(source).set(ratio)
        metrics.LET_GO.inc(writes.let_go)
        for publication in writes.publications:
            metrics.ALERTS.labels(publication.status or "erased", publication.mode or "").inc()
