"""The batch path through Faust: one Faust event is everything that one fetch brought from one partition.

Faust's own path costs some 200 microseconds an event, nearly all of it asyncio plumbing. A consumer scheduler, which Faust lets
one replace, hands each partition's records on as one synthetic record, and a schema hands their list through to the agent.

Committing follows what is *durable*, not what the agent has taken: an offset is committed only after the alerts and states
before it have been acknowledged. For that two methods of Faust's consumer are overridden, `_new_offset` and `_add_gap`;
both are private, and `tests/unit/contact_monitor/test_faust_batches.py` fails when they change.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

Offsets = dict[int, int]
"""Partition to the offset that may be committed: all before it is acknowledged."""


class Batch:
    """Looks like one record to Faust: its value is the list of records, its offset the last one's."""

    __slots__ = ("checksum", "headers", "key", "offset", "partition", "serialized_key_size", "serialized_value_size",
                 "timestamp", "timestamp_type", "topic", "value")

    def __init__(self, tp: TP, records: Sequence[Any]) -> None:
        last = records[-1]
        self.topic, self.partition, self.offset = tp.topic, tp.partition, last.offset
        self.timestamp, self.timestamp_type = last.timestamp, last.timestamp_type
        self.key, self.value, self.headers, self.checksum = None, records, (), None
        self.serialized_key_size = self.serialized_value_size = 0


class BatchScheduler(DefaultSchedulingStrategy):
    """Yields one batch per partition and fetch. The app reads no other topic through Faust."""

    def iterate(self, records: Mapping[TP, Sequence[Any]]) -> Iterator[tuple[TP, Any]]:
        """One batch for each partition that brought anything."""
        return ((tp, Batch(tp, found)) for tp, found in records.items() if found)


class BatchSchema(Schema[Any, Any]):
    """Hands the list of records through as it is; the shard decodes them."""

    def compile(self, app: Any, **_: Any) -> Any:
        """A decoder that decodes nothing."""
        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)
        return decode


class BatchConsumer(driver.Consumer):
    """Commits what is durable."""

    durable: ClassVar[Offsets] = {}

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets inside a batch are no gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        del acked[:-1]  # one stays, so that the commit loop visits this partition again
        self._acked_index[tp].intersection_update(acked)
        return self.durable.get(tp.partition)


def batch_transport(durable: Offsets) -> type[driver.Transport]:
    """Faust's Kafka transport with a consumer that commits the offsets in `durable`."""
    consumer = type("DurableConsumer", (BatchConsumer,), {"durable": durable})
    return type("DurableTransport", (driver.Transport,), {"Consumer": consumer})
