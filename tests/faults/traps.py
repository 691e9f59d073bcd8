"""Mistakes of the kind that lose or invent alerts, to be put back into a worker: a harness that does not notice them is none.

The first three are what a stream processor does when it is written in a hurry. The fourth is what it is without fencing.
"""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from keepintouch.runtime.topics import EVENTS
from services.contact_monitor import kafka, main, monitor, shard
from services.contact_monitor import records as said

from .worker import FaultyWriter, Step

VARIABLE = "FAULT_TRAP"

_EVERY = 5
_LOOK = 0.05


class Trap(StrEnum):
    """A mistake, put back."""

    ACK_ON_EXCEPTION = "ack_on_exception"
    """An exception while folding is swallowed, and its batch counted as done."""
    STATE_BEFORE_ALERTS = "state_before_alerts"
    """States hold before the alerts do that they say were published."""
    COMMIT_BEFORE_STATE = "commit_before_state"
    """The offset may be committed before the states are; and nobody compares the two afterwards."""
    ZOMBIE_WRITES = "zombie_writes"
    """No fencing: whoever wakes up finishes what they had begun."""

    def env(self) -> dict[str, str]:
        """How a worker is told."""
        return {VARIABLE: self}


def set_trap(trap: Trap) -> None:
    """Put a mistake back into this process."""
    match trap:
        case Trap.ACK_ON_EXCEPTION:
            _replace(shard.Shard, fold=_fold_or_forget(shard.Shard.fold))
        case Trap.STATE_BEFORE_ALERTS:
            _replace(main, Writer=StatesFirst)
        case Trap.COMMIT_BEFORE_STATE:
            _replace(main, Writer=Sluggish, Monitor=Hasty)
            _replace(shard.Shard, lacks=_trusting)
        case Trap.ZOMBIE_WRITES:
            _replace(kafka, AIOKafkaProducer=Unfenced, _compressed=_compressed)


def _replace(owner: Any, **new: Any) -> None:
    for name, value in new.items():
        assert hasattr(owner, name), f"there is no {name} to be replaced any more"
        setattr(owner, name, value)


def _fold_or_forget(fold: Any) -> Any:
    """Now and then there is an exception in the middle, and nobody hears of it."""
    calls = count(1)

    def fold_or_forget(self: shard.Shard, records: Sequence[said.SourceRecord], *when: Any) -> int:
        try:
            if next(calls) % _EVERY == 0:
                fold(self, records[:len(records) // 2], *when)
                raise RuntimeError("of some kind")
            return int(fold(self, records, *when))
        except RuntimeError:
            self.position = records[-1].offset + 1
            return 0

    return fold_or_forget


class StatesFirst(FaultyWriter):
    """States in a transaction of their own; the alerts follow in the next one."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._later: dict[int, tuple[said.Writes, datetime]] = {}

    async def write_findings(self, partition: int, writes: said.Writes, now: datetime) -> None:
        """Only later; the transaction begins all the same."""
        self._later[partition] = writes, now
        await kafka.Writer.write_findings(self, partition, replace(writes, publications=[], dead_letters=[]), now)

    async def write_states(self, partition: int, *records: Any) -> int:
        """The states, without a step: it is reached when they hold."""
        return await kafka.Writer.write_states(self, partition, *records)

    async def commit(self, partition: int) -> None:
        """First what should come last."""
        await kafka.Writer.commit(self, partition)
        writes, now = self._later.pop(partition)
        if self.counts(writes):
            self.fate.reach(Step.AFTER_STATES)
        await kafka.Writer.write_findings(self, partition, writes, now)
        await kafka.Writer.commit(self, partition)


class Hasty(monitor.Monitor):
    """Lets the offset be committed, then writes."""

    async def _write(self, partition: int, writes: said.Writes) -> None:
        self._handover.durable[partition] = writes.position
        await super()._write(partition, writes)


class Sluggish(FaultyWriter):
    """Does not begin the write it is to die of, one with alerts that events have caused, before the offset is committed."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._positions: dict[int, int] = {}

    def counts(self, writes: said.Writes) -> bool:
        """Whether events are in it too."""
        return super().counts(writes) and writes.oldest_ms is not None

    async def write_findings(self, partition: int, writes: said.Writes, now: datetime) -> None:
        """As usual."""
        self._positions[partition] = writes.position
        await super().write_findings(partition, writes, now)

    async def reach(self, step: Step, partition: int) -> None:
        """A step is reached; before the fatal one others do their work."""
        if partition in self._counted and self.fate.is_now(step):
            await self._until_committed(partition)
            self.fate.strike()

    async def _until_committed(self, partition: int) -> None:
        """Return when the group has read what is to be written."""
        at, config = TopicPartition(EVENTS, partition), self._settings.client_config()
        async with AIOKafkaConsumer(**config, group_id=self._app_id, enable_auto_commit=False) as consumer:
            consumer.assign([at])
            while (await consumer.committed(at) or 0) < self._positions[partition]:
                await asyncio.sleep(_LOOK)


def _trusting(self: shard.Shard, committed: int) -> bool:
    """As if the state always had what the group has read."""
    self.rebuilt(committed)
    return False


def _compressed() -> BatchBuilder:
    """A batch as the monitor makes it, but of no transaction."""
    return BatchBuilder(kafka._BATCH_BYTES, kafka._GZIP)


class Unfenced(AIOKafkaProducer):   # type: ignore[misc]
    """A plain producer: idempotent, and of no transaction."""

    def __init__(self, *, transactional_id: str, transaction_timeout_ms: int, **more: Any) -> None:
        super().__init__(enable_idempotence=True, **more)

    async def begin_transaction(self) -> None:
        """Nothing."""

    async def commit_transaction(self) -> None:
        """Nothing."""
