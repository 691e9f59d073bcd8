"""The batch path through Faust: one Faust event is everything that one fetch brought from one partition.

Faust's own path costs some 200 microseconds an event, nearly all of it asyncio plumbing. A consumer scheduler, which Faust lets
one replace, hands each partition's records on as one synthetic record, and a schema hands their list through to the agent.

Committing follows what is *durable*, not what the agent has taken: an offset is committed only after the alerts and states
before it have been acknowledged. For that two methods of Faust's consumer are overridden, `_new_offset` and `_add_gap`, and for
fetching one of its thread's, `_fetch_records`; all are private, and `tests/unit/contact_monitor/test_faust_batches.py` fails when
they change.

Faust empties its queues when partitions go, but a record that waited for room in a full queue may slip in behind that and be
handed on when partitions have come again. So each batch says when it was fetched and what it follows.
"""
from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

_AT_ONCE = 1, 1_500
"""Bytes that Kafka answers a fetch with as soon as it has them, and milliseconds after which it answers with less."""
_TOGETHER = 64 * 1024, 10
"""The same while events follow one another: a fetch costs all that is behind it as much for one event as for a hundred."""
_TOGETHER_BUSY = 64 * 1024, 40
"""The same while there is a day's work to do beside them."""
_FOLLOWS_WITHIN = 0.05
"""Seconds from one fetch that brought something to the next, where events are said to follow one another."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition, in the order of their offsets; at least one."""

    records: Sequence[Any]
    assignment: int
    """Number of the assignment they were fetched under."""
    follows: int | None
    """Offset after the record handed on before them under this assignment; None for the first."""


class Handover:
    """What Faust's consumer and the monitor tell one another. For one event loop."""

    def __init__(self) -> None:
        self.durable: dict[int, int] = {}
        """Partition to the offset that may be committed: everything before it is acknowledged."""
        self.assignment = 0
        """Goes up whenever partitions go or come."""
        self.busy = False
        """Whether there is so much else to do that few and large fetches are better."""
        self._handed_on: dict[int, int] = {}

    def begin_again(self) -> None:
        """Partitions go or come: nothing may be committed any more, and what was fetched before is void."""
        self.assignment += 1
        self.durable.clear()
        self._handed_on.clear()

    def hand_on(self, partition: int, records: Sequence[Any]) -> Fetched:
        """Say of records when they were fetched and what they follow."""
        fetched = Fetched(records, self.assignment, self._handed_on.get(partition))
        self._handed_on[partition] = records[-1].offset + 1
        return fetched


class Batch:
    """Looks like one record to Faust: its value is what was fetched, its offset the last record's."""

    __slots__ = ("checksum", "headers", "key", "offset", "partition", "serialized_key_size", "serialized_value_size",
                 "timestamp", "timestamp_type", "topic", "value")

    def __init__(self, tp: TP, fetched: Fetched) -> None:
        last = fetched.records[-1]
        self.topic, self.partition, self.offset = tp.topic, tp.partition, last.offset
        self.timestamp, self.timestamp_type = last.timestamp, last.timestamp_type
        self.key, self.value, self.headers, self.checksum = None, fetched, (), None
        self.serialized_key_size = self.serialized_value_size = 0


class BatchScheduler(DefaultSchedulingStrategy):
    """Yields one batch per partition and fetch. The app reads no other topic through Faust."""

    handover: ClassVar[Handover]

    def iterate(self, records: Mapping[TP, Sequence[Any]]) -> Iterator[tuple[TP, Any]]:
        """One batch for each partition that brought anything."""
        return ((tp, Batch(tp, self.handover.hand_on(tp.partition, found))) for tp, found in records.items() if found)


class BatchSchema(Schema[Any, Any]):
    """Hands what was fetched through as it is; the shard decodes the records."""

    def compile(self, app: Any, **_: Any) -> Any:
        """A decoder that decodes nothing."""
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)
        return decode


class BatchThread(driver.AIOKafkaConsumerThread):
    """Lets events come together at the broker while they follow one another.

    aiokafka sends the next fetch when the last one has been taken from it. Waiting at this end would leave what that brings
    lying here.
    """

    handover: Handover
    _came_at = -math.inf

    async def _fetch_records(self, consumer: AIOKafkaConsumer, active_partitions: set[TP], timeout: float | None = None,
                             max_records: int | None = None) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        now, fetcher = time.monotonic(), consumer._fetcher
        follow = bool(records) and now - self._came_at < _FOLLOWS_WITHIN
        if records:
            self._came_at = now
        together = _TOGETHER_BUSY if self.handover.busy else _TOGETHER
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = together if follow else _AT_ONCE
        return records


class BatchConsumer(driver.Consumer):
    """Commits what is durable."""

    handover: ClassVar[Handover]

    def _new_consumer_thread(self) -> BatchThread:
        thread = BatchThread(self, loop=self.loop, beacon=self.beacon)
        thread.handover = self.handover
        return thread

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets inside a batch are no gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        del acked[:-1]  # one stays, so that the commit loop visits this partition again
        self._acked_index[tp].intersection_update(acked)
        return self.handover.durable.get(tp.partition)


class NoTables(TableManager):
    """Faust waits at its start for tables that an app may still define. This one has none, and wants its partitions."""

    async def sleep(self, n: object, **_: Any) -> None:
        """Wait for nothing."""


def batch_scheduler(handover: Handover) -> type[BatchScheduler]:
    """A scheduler for `ConsumerScheduler`, which Faust wants as a class."""
    return type("HandingScheduler", (BatchScheduler,), {"handover": handover})


def batch_transport(handover: Handover) -> type[driver.Transport]:
    """Faust's Kafka transport with a consumer that commits what is durable."""
    consumer = type("DurableConsumer", (BatchConsumer,), {"handover": handover})
    return type("DurableTransport", (driver.Transport,), {"Consumer": consumer})
