"""Reads from Kafka what a worker must know before it goes on with partitions that others have had before it."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog
from schemas.alerts import Alert

from .kafka import Layout
from .ports import Extent
from .records import SourceRecord

_FETCH_BYTES = 4 * 1024 * 1024
_COMMITTED = {"isolation_level": "read_committed"}
"""Of what we wrote only what holds: a transaction that was broken off never was."""

log = get_logger(__name__)


class Restorer:
    """`ports.Restorer` on a real Kafka: each reading by a consumer of its own that is no member of the group."""

    def __init__(self, settings: KafkaSettings, app_id: str, layout: Layout) -> None:
        self._settings, self._app_id, self._layout = settings, app_id, layout

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        """Hand every changelog record from each partition's start to its end at the call to `take`; returns the ends."""
        async with self._consumer(people_changelog(self._app_id), starts, **_COMMITTED) as consumer:
            ends = await _seek(consumer, starts)
            async for records in _read(consumer, ends):
                for record in records:
                    take(record.partition, record.key, record.value)
            return {tp.partition: end for tp, end in ends.items()}

    async def events(self, extents: Mapping[int, Extent]) -> AsyncIterator[Sequence[SourceRecord]]:
        """Every event from `first` to `committed`, each partition's in order; many at a time, of one partition."""
        async with self._consumer(EVENTS, extents) as consumer:
            await _seek(consumer, {partition: extent.first for partition, extent in extents.items()})
            ends = {TopicPartition(EVENTS, partition): extent.committed for partition, extent in extents.items()}
            async for records in _read(consumer, ends):
                yield records

    async def alerts(self) -> list[Alert]:
        """The newest record of each alert; tombstones are left out.

        Of all there are at the call: Kafka hands on nothing that comes after what another worker has begun and not ended, and
        that worker may have died, so it is waited for.
        """
        newest: dict[bytes, bytes | None] = {}
        partitions = range(self._layout.alerts)
        async with self._consumer(ALERTS, partitions) as uncommitted:
            ends = await uncommitted.end_offsets(uncommitted.assignment())
        async with self._consumer(ALERTS, partitions, **_COMMITTED) as consumer:
            await _seek(consumer, dict.fromkeys(partitions, 0))
            async for records in _read(consumer, ends):
                newest.update((record.key, record.value) for record in records)
        return [alert for value in newest.values() if value is not None and (alert := _read_alert(value)) is not None]

    async def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        """Where the events partitions stand. Raises UserError if the group has read further than there is."""
        wanted = set(partitions)
        async with self._consumer(EVENTS, wanted, group_id=self._app_id) as consumer:
            tps = consumer.assignment()
            ends, first = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
            starts = {tp: first[tp] if (committed := await consumer.committed(tp)) is None else committed for tp in tps}
            for tp, start in starts.items():
                if start > ends[tp]:
                    raise UserError(
                        f"group {self._app_id} has read {EVENTS} partition {tp.partition} up to {start}, but it ends at "
                        f"{ends[tp]}: the topic was made anew. Delete the group and {people_changelog(self._app_id)}, create "
                        "the topics and start again")
            data = await _ends_of_data(consumer, {tp: max(starts[tp], first[tp]) for tp in tps}, ends)
            return {tp.partition: Extent(first[tp], starts[tp], data[tp]) for tp in tps}

    @asynccontextmanager
    async def _consumer(self, topic: str, partitions: Iterable[int], **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of these partitions that is no member of any group."""
        consumer = AIOKafkaConsumer(**self._settings.client_config(), enable_auto_commit=False, auto_offset_reset="earliest",
                                    max_partition_fetch_bytes=_FETCH_BYTES, **more)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, partition) for partition in partitions])
            yield consumer
        finally:
            await consumer.stop()


def _read_alert(value: bytes) -> Alert | None:
    """An alert as it was published; what is none (only we write this topic) is passed over."""
    try:
        return Alert.model_validate_json(value)
    except ValidationError:
        log.warning("no_alert_on_topic", topic=ALERTS)
        return None


async def _seek(consumer: AIOKafkaConsumer, starts: Mapping[int, int]) -> dict[TopicPartition, int]:
    """Go to where to read from, or the first offset there is after it; returns the ends."""
    tps = consumer.assignment()
    ends, first = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
    for tp in tps:
        consumer.seek(tp, max(starts[tp.partition], first[tp]))
    found: dict[TopicPartition, int] = ends
    return found


async def _read(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[list[Any]]:
    """Every record before the ends, each partition's in order; many at a time, of one partition."""
    behind = set(ends)
    while behind := {tp for tp in behind if await consumer.position(tp) < ends[tp]}:
        for tp, found in (await consumer.getmany(*behind, timeout_ms=1000)).items():
            yield found if found[-1].offset < ends[tp] else [record for record in found if record.offset < ends[tp]]


async def _ends_of_data(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int],
                        ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """The offset after the last record from each start on, or the start if there is none.

    A transaction's marker takes an offset too, but no reader is ever given it: one that waited for it would wait for ever.
    """
    found = dict(starts)
    looking, back = {tp for tp in starts if starts[tp] < ends[tp]}, 1
    consumer.pause(*(tp for tp in starts if tp not in looking))
    while looking:
        begin = {tp: max(starts[tp], ends[tp] - back) for tp in looking}
        for tp, offset in begin.items():
            consumer.seek(tp, offset)
        last: dict[TopicPartition, int] = {}
        async for records in _read(consumer, {tp: ends[tp] for tp in looking}):
            if records:
                last[TopicPartition(records[-1].topic, records[-1].partition)] = records[-1].offset + 1
        found |= last
        looking = {tp for tp in looking if tp not in last and begin[tp] > starts[tp]}
        back *= 16
    return found
