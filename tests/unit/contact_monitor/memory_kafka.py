"""A Kafka in memory, as much of it as the monitor sees, and a worker that can be driven step by step and killed at each."""
from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from keepintouch.rulebook import CouncilRules
from keepintouch.runtime.clock import ManualClock
from keepintouch.runtime.partitions import partition_of
from keepintouch.standards import stored
from keepintouch.standards.person import Person
from keepintouch.standards.policy import Policy
from schemas.alerts import Alert
from services.contact_monitor.faust_batches import Handover
from services.contact_monitor.monitor import Monitor
from services.contact_monitor.ports import Extent
from services.contact_monitor.records import DeadLetter, SourceRecord, Writes
from services.contact_monitor.rulebook import Rulebook
from services.contact_monitor.state import StateRecord

ALERT_PARTITIONS = 2


class Step(Enum):
    """Where a worker can be killed."""

    BEGINNING = auto()
    FINDINGS = auto()
    STATES = auto()
    COMMITTED = auto()


class Killed(Exception):  # noqa: N818
    """The worker is gone: whatever it had in memory is lost."""


class Fenced(Exception):  # noqa: N818
    """Another worker has taken the partition over: this one writes nothing there any more."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the events topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


@dataclass
class MemoryKafka:
    """The topics and the offsets that were committed; everything outlives the workers."""

    partitions: int = 2
    events: list[list[Record]] = field(default_factory=list)
    changelog: list[list[StateRecord]] = field(default_factory=list)
    alerts: list[list[tuple[bytes, bytes | None]]] = field(default_factory=lambda: [[] for _ in range(ALERT_PARTITIONS)])
    dead_letters: list[DeadLetter] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)
    writers: dict[int, object] = field(default_factory=dict)
    """Who alone may write for a partition."""

    def __post_init__(self) -> None:
        self.events = [[] for _ in range(self.partitions)]
        self.changelog = [[] for _ in range(self.partitions)]

    def send(self, value: bytes | str | Mapping[str, Any] | None, key: bytes | None = None) -> None:
        """Append an event, under its subject; a manifest to every partition."""
        if isinstance(value, Mapping):
            value = json.dumps(value)
        raw = value.encode() if isinstance(value, str) else value
        key = _subject(raw) if key is None else key
        for partition in range(self.partitions) if key.startswith(b"feed:") else [partition_of(key, self.partitions)]:
            log = self.events[partition]
            log.append(Record(partition, len(log), key, raw))

    def newest_alerts(self) -> dict[str, Alert]:
        """What is left of the alerts topic after compaction; tombstones removed. Every record must be valid."""
        found: dict[bytes, bytes | None] = {}
        for log in self.alerts:
            found |= dict(log)
        newest = {}
        for key, value in found.items():
            if value is not None:
                alert = Alert.model_validate_json(value)
                assert str(alert.alert_id).encode() == key
                newest[str(alert.alert_id)] = alert
        return newest

    def open_alerts(self) -> dict[str, Alert]:
        """Those that are open."""
        return {key: alert for key, alert in self.newest_alerts().items() if alert.status == "open"}

    def history(self, key: str) -> list[Alert | None]:
        """Every record of one alert, in order."""
        return [None if value is None else Alert.model_validate_json(value)
                for log in self.alerts for k, value in log if k == key.encode()]

    def people(self) -> dict[str, Person]:
        """The people in the changelog, as its last records have them."""
        return {key.decode(): stored.load(value) for log in self.changelog for key, value in dict(log).items()
                if value is not None and stored.is_person(key)}

    def check_sequences(self) -> None:
        """The numbers of an alert never go back, and begin with 1 anew only after a tombstone."""
        for log in self.alerts:
            last: dict[bytes, int] = {}
            for key, value in log:
                sequence = 0 if value is None else Alert.model_validate_json(value).sequence
                assert sequence == 0 or sequence >= last.get(key, 0)
                last[key] = sequence


@dataclass
class Worker:
    """One process of the monitor. Everything it does, it does when told."""

    kafka: MemoryKafka
    rules: Rulebook
    clock: ManualClock
    settle: float = 0.0
    real: float = 0.0
    kill_at: Step | None = None
    """Die at the next time this is reached."""
    position: dict[int, int] = field(default_factory=dict)
    begun: dict[int, tuple[Writes, list[StateRecord]]] = field(default_factory=dict)
    """Transactions that are not committed: nobody sees what is in them."""

    def __post_init__(self) -> None:
        self.handover = Handover()
        self.monitor = Monitor(self.rules, self.clock, self, self, self.handover, self.kafka.partitions, self.settle,
                               lambda: self.real)

    async def own(self, *partitions: int) -> None:
        """Give up what it has and take these over, as in a rebalance."""
        await self.monitor.revoke()
        await self.monitor.take_over(set(partitions))
        self.handover.begin_again()
        self.position = {p: self.kafka.committed.get(p, 0) for p in partitions}

    async def own_all(self) -> None:
        """Take every partition over."""
        await self.own(*range(self.kafka.partitions))

    async def poll(self, partition: int, most: int = 1_000_000) -> None:
        """Fold in one batch of what is there, if anything is."""
        start = self.position[partition]
        if records := self.kafka.events[partition][start:start + most]:
            self.position[partition] = start + len(records)
            await self.monitor.fold(partition, self.handover.hand_on(partition, records))

    async def poll_all(self) -> None:
        """Fold in all there is."""
        for partition in self.position:
            await self.poll(partition)

    def commit_offsets(self) -> None:
        """Commit what may be committed."""
        self.kafka.committed |= self.handover.durable

    async def rest(self) -> None:
        """Write and evaluate until there is nothing left to do."""
        for _ in range(1_000):
            before = len(self.kafka.changelog[0]), sum(map(len, self.kafka.changelog)), sum(map(len, self.kafka.alerts))
            await self.monitor.round()
            await self.monitor.round()
            if before == (len(self.kafka.changelog[0]), sum(map(len, self.kafka.changelog)), sum(map(len, self.kafka.alerts))):
                return
        raise AssertionError("it does not come to rest")

    async def look(self) -> None:
        """Look after every partition once, so soon after the last write that states nobody waits for are not written yet."""
        for partition in self.position:
            await self.monitor._look_after(partition, -math.inf)

    async def run_dry(self) -> None:
        """Fold in all there is, evaluate whoever is to be evaluated, write and commit."""
        await self.poll_all()
        await self.rest()
        self.commit_offsets()

    # What the monitor asks of Kafka

    async def take_over(self, partitions: Iterable[int]) -> None:
        self.begun = {}
        self.kafka.writers |= dict.fromkeys(partitions, self)

    async def write_findings(self, partition: int, writes: Writes, now: datetime) -> None:
        self._die_at(Step.BEGINNING)
        self._check(partition)
        self.begun[partition] = writes, []
        self._die_at(Step.FINDINGS)

    async def write_states(self, partition: int, records: Iterable[StateRecord]) -> int:
        self._check(partition)
        self.begun[partition][1].extend(records)
        self._die_at(Step.STATES)
        return len(self.kafka.changelog[partition]) + len(self.begun[partition][1])

    async def commit(self, partition: int) -> None:
        self._check(partition)
        writes, states = self.begun.pop(partition)
        for publication in writes.publications:
            key = str(publication.alert_id).encode()
            self.kafka.alerts[partition_of(key, ALERT_PARTITIONS)].append((key, publication.value))
        self.kafka.dead_letters += writes.dead_letters
        self.kafka.changelog[partition] += states
        self._die_at(Step.COMMITTED)

    def _check(self, partition: int) -> None:
        if self.kafka.writers.get(partition) is not self:
            raise Fenced

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        for partition, start in starts.items():
            for key, value in self.kafka.changelog[partition][start:]:
                take(partition, key, value)
        return {partition: len(self.kafka.changelog[partition]) for partition in starts}

    async def events(self, extents: Mapping[int, Extent]) -> AsyncIterator[Sequence[SourceRecord]]:
        for partition, extent in extents.items():
            if records := self.kafka.events[partition][extent.first:extent.committed]:
                yield records

    async def alerts(self) -> list[Alert]:
        return list(self.kafka.newest_alerts().values())

    async def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        return {p: Extent(0, self.kafka.committed.get(p, 0), len(self.kafka.events[p])) for p in partitions}

    def _die_at(self, step: Step) -> None:
        if self.kill_at is step:
            raise Killed


def rulebook(policy: Policy, *councils: str, feeds: Iterable[str] = ()) -> Rulebook:
    """Every council under one policy, and the feeds they require besides."""
    more = frozenset(feeds)
    return Rulebook({council: CouncilRules.of(policy, more) for council in councils})


def _subject(raw: bytes | None) -> bytes:
    try:
        subject = json.loads(raw or b"")["subject"]
        return str(subject).encode()
    except (ValueError, TypeError, KeyError):
        return b"nobody"


def run(work: Callable[[], Any]) -> Any:
    """Run an async function to its end."""
    return asyncio.run(work())
