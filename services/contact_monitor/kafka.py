"""The monitor's own reads and writes: the changelog back into states, and alerts, states and dead letters out."""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2
from pydantic import ValidationError

from keepintouch.acceptance import dead_letter_headers
from keepintouch.runtime import kafka
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, people_changelog
from keepintouch.standards.ledger import Publication
from schemas.alerts import Alert

from .ports import Extent
from .shard import DeadLetter, SourceRecord, Writes
from .state import StateRecord

_FETCH_BYTES = 4 * 1024 * 1024
_BATCH_BYTES = 900_000
"""Under the brokers' default limit for one batch (1 MiB) with room for its header."""

Headers = list[tuple[str, bytes | None]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Layout:
    """How many partitions the topics have; the changelog has as many as the events."""

    events: int
    alerts: int
    dead_letters: int


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it; 0 without key."""
    return 0 if key is None else (int(murmur2(key)) & 0x7FFFFFFF) % partitions


def check_topics(settings: KafkaSettings, app_id: str) -> Layout:
    """Return how the topics are laid out; raise UserError if one is missing, or the changelog does not fit the events."""
    changelog = people_changelog(app_id)
    with contextlib.closing(kafka.consumer(settings)) as consumer:
        counts = {name: len(consumer.partitions_for_topic(name) or ()) for name in (EVENTS, changelog, ALERTS, DEAD_LETTERS)}
    for name, count in counts.items():
        if not count:
            raise TopicMissing(f"Kafka has no topic {name}: create the topics first (keepintouch topics create)")
    if counts[EVENTS] != counts[changelog]:
        raise UserError(f"{changelog} has {counts[changelog]} partitions and {EVENTS} {counts[EVENTS]}: they must have as many; "
                        "delete the changelog if it is empty and create it anew (keepintouch topics create)")
    return Layout(counts[EVENTS], counts[ALERTS], counts[DEAD_LETTERS])


class Writer:
    """Writes what shards have to write, and returns only when all of it is acknowledged by all replicas in sync."""

    def __init__(self, settings: KafkaSettings, app_id: str, layout: Layout) -> None:
        self._settings, self._changelog, self._layout = settings, people_changelog(app_id), layout
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        """Connect; on the event loop that it is to be used on."""
        self._producer = AIOKafkaProducer(
            **self._settings.client_config(), acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=_BATCH_BYTES,
            request_timeout_ms=60_000)
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is queued, and disconnect."""
        await self._producer.stop()

    async def write_findings(self, writes: Iterable[Writes], now: datetime) -> dict[int, int]:
        """Alerts and dead letters, which go before the states; returns the offset after the last alert, by partition."""
        alerts, letters = _Queue(), _Queue()
        for each in writes:
            for publication in each.publications:
                key, value = _alert_record(publication)
                alerts.add(partition_of(key, self._layout.alerts), key, value)
            for letter in each.dead_letters:
                record = letter.record
                letters.add(partition_of(record.key, self._layout.dead_letters), record.key, record.value, _headers(letter, now))
        ends, _ = await asyncio.gather(self._write(ALERTS, alerts), self._write(DEAD_LETTERS, letters))
        return ends

    async def write_states(self, states: Mapping[int, Iterable[StateRecord]]) -> dict[int, int]:
        """States, by partition, each to the same partition of the changelog; returns the offset after the last, by partition."""
        queue = _Queue()
        for partition, records in states.items():
            for key, value in records:
                queue.add(partition, key, value)
        return await self._write(self._changelog, queue)

    async def _write(self, topic: str, queue: _Queue) -> dict[int, int]:
        """Send records as hand-built batches, which cost a fraction of one send per record."""
        sent = []
        for partition, records in queue.records.items():
            batch = self._producer.create_batch()
            for record in records:
                if _append(batch, *record) is None:
                    sent.append(await self._send(batch, topic, partition))
                    batch = self._producer.create_batch()
                    _append(batch, *record)
            sent.append(await self._send(batch, topic, partition))
        acknowledged = await asyncio.gather(*(future for future, _ in sent))
        ends: dict[int, int] = {}
        for metadata, (_, count) in zip(acknowledged, sent, strict=True):
            ends[metadata.partition] = max(ends.get(metadata.partition, 0), metadata.offset + count)
        return ends

    async def _send(self, batch: Any, topic: str, partition: int) -> tuple[Any, int]:
        batch.close()
        return await self._producer.send_batch(batch, topic, partition=partition), batch.record_count()


class _Queue:
    """Records to be sent, by partition, in their order."""

    def __init__(self) -> None:
        self.records: dict[int, list[tuple[bytes | None, bytes | None, Headers]]] = {}

    def add(self, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        self.records.setdefault(partition, []).append((key, value, headers or []))


def _append(batch: Any, key: bytes | None, value: bytes | None, headers: Headers) -> Any:
    return batch.append(timestamp=None, key=key, value=value, headers=headers)


def _alert_record(publication: Publication) -> tuple[bytes, bytes | None]:
    alert = publication.alert
    return str(publication.alert_id).encode(), None if alert is None else alert.model_dump_json().encode()


def _headers(letter: DeadLetter, now: datetime) -> Headers:
    record = letter.record
    return dead_letter_headers(record.headers, letter.refused, EVENTS, record.partition, record.offset, now)


class Restorer:
    """Reads what a worker must know before it can go on with partitions that others have had before it."""

    def __init__(self, settings: KafkaSettings, app_id: str, layout: Layout) -> None:
        self._settings, self._app_id, self._layout = settings, app_id, layout

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        """Hand every changelog record from each partition's start to its end at the call to `take`; returns the ends."""
        async with self._consumer(people_changelog(self._app_id), starts) as consumer:
            ends = await _seek(consumer, starts)
            await _read(consumer, ends, lambda record: take(record.partition, record.key, record.value))
            return {tp.partition: end for tp, end in ends.items()}

    async def events(self, extents: Mapping[int, Extent], take: Callable[[SourceRecord], object]) -> None:
        """Hand every event from `first` to `committed` to `take`, each partition's in order."""
        async with self._consumer(EVENTS, extents) as consumer:
            await _seek(consumer, {partition: extent.first for partition, extent in extents.items()})
            await _read(consumer, {TopicPartition(EVENTS, p): extent.committed for p, extent in extents.items()}, take)

    async def alerts(self, starts: Mapping[int, int]) -> tuple[list[Alert], dict[int, int]]:
        """The newest record of each alert published at or after `starts` (by partition of the alerts topic, else its first).

        And the ends up to which was read. Tombstones are left out.
        """
        newest: dict[bytes, bytes | None] = {}
        wanted = {partition: starts.get(partition, 0) for partition in range(self._layout.alerts)}
        async with self._consumer(ALERTS, wanted) as consumer:
            ends = await _seek(consumer, wanted)
            await _read(consumer, ends, lambda record: newest.__setitem__(record.key, record.value))
        found = [alert for value in newest.values() if value is not None and (alert := _read_alert(value)) is not None]
        return found, {tp.partition: end for tp, end in ends.items()}

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


async def _read(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], take: Callable[[Any], object]) -> None:
    """Hand every record before the ends to `take`, each partition's in order."""
    behind = set(ends)
    while behind := {tp for tp in behind if await consumer.position(tp) < ends[tp]}:
        for tp, found in (await consumer.getmany(*behind, timeout_ms=1000)).items():
            for record in found:
                if record.offset < ends[tp]:
                    take(record)


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
        await _read(consumer, {tp: ends[tp] for tp in looking}, lambda r, last=last: last.__setitem__(  # type: ignore[misc]
            TopicPartition(r.topic, r.partition), r.offset + 1))
        found |= last
        looking = {tp for tp in looking if tp not in last and begin[tp] > starts[tp]}
        back *= 16
    return found
