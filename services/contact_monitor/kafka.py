"""The monitor's own reads and writes: the changelog back into shards, and alerts, states and dead letters out."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from keepintouch.acceptance import dead_letter_headers
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import people_changelog
from keepintouch.standards.ledger import Publication

from .shard import DeadLetter, StateRecord, Writes

EVENTS, ALERTS, DEAD_LETTERS = "care.events.v1", "care.alerts.v1", "care.dead-letters.v1"

_FETCH_BYTES = 4 * 1024 * 1024
_BATCH_BYTES = 900_000
"""Under the brokers' default limit for one batch (1 MiB) with room for its header."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a partition stands when it is taken over: `committed` by the group (or its first offset), and its `end`."""

    committed: int
    end: int


class Writer:
    """Writes what shards have to write, and returns only when all of it is acknowledged by all replicas in sync."""

    def __init__(self, settings: KafkaSettings, app_id: str) -> None:
        self._settings, self._changelog = settings, people_changelog(app_id)
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        """Connect; on the event loop that it is to be used on."""
        self._producer = AIOKafkaProducer(
            **self._settings.client_config(), acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=_BATCH_BYTES,
            max_request_size=_FETCH_BYTES, request_timeout_ms=60_000)
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is queued, and disconnect."""
        await self._producer.stop()

    async def write_findings(self, writes: Iterable[Writes], now: datetime) -> None:
        """Alerts and dead letters: they go before the states that say they were published."""
        sent = [await self._publish(p) for w in writes for p in w.publications]
        sent += [await self._bury(d, now) for w in writes for d in w.dead_letters]
        await asyncio.gather(*sent)

    async def write_states(self, states: Mapping[int, list[StateRecord]]) -> dict[int, int]:
        """States, by partition, each to the same partition of the changelog; returns the changelog's ends after them."""
        sent = [batch for partition, records in states.items() for batch in await self._append(partition, records)]
        acknowledged = await asyncio.gather(*(future for future, _ in sent))
        ends: dict[int, int] = {}
        for metadata, (_, count) in zip(acknowledged, sent, strict=True):
            ends[metadata.partition] = max(ends.get(metadata.partition, 0), metadata.offset + count)
        return ends

    async def _publish(self, publication: Publication) -> Any:
        value = None if publication.alert is None else publication.alert.model_dump_json().encode()
        return await self._producer.send(ALERTS, value, str(publication.alert_id).encode())

    async def _bury(self, letter: DeadLetter, now: datetime) -> Any:
        record = letter.record
        headers = dead_letter_headers(record.headers, letter.refused, EVENTS, getattr(record, "partition", 0), record.offset, now)
        return await self._producer.send(DEAD_LETTERS, record.value, record.key, headers=headers)

    async def _append(self, partition: int, records: list[StateRecord]) -> list[tuple[Any, int]]:
        """Send records as hand-built batches, which cost a fraction of one send per record; a future and a count for each."""
        sent, batch = [], self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                sent.append(await self._send(batch, partition))
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            sent.append(await self._send(batch, partition))
        return sent

    async def _send(self, batch: Any, partition: int) -> tuple[Any, int]:
        batch.close()
        return await self._producer.send_batch(batch, self._changelog, partition=partition), batch.record_count()


class Restorer:
    """Reads partitions of the changelog, from where a shard stands to their end, and says where the group stands."""

    def __init__(self, settings: KafkaSettings, app_id: str) -> None:
        self._settings, self._app_id = settings, app_id
        self._changelog = people_changelog(app_id)

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        """Hand every changelog record from each partition's start to its end at the call to `take`; returns the ends."""
        async with self._consumer({TopicPartition(self._changelog, p) for p in starts}) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            first = await consumer.beginning_offsets(consumer.assignment())
            for tp in consumer.assignment():
                consumer.seek(tp, max(starts[tp.partition], first[tp]))
            behind = set(consumer.assignment())
            while behind := {tp for tp in behind if await consumer.position(tp) < ends[tp]}:
                for tp, found in (await consumer.getmany(*behind, timeout_ms=1000)).items():
                    for record in found:
                        take(tp.partition, record.key, record.value)
            return {tp.partition: end for tp, end in ends.items()}

    async def extents(self, partitions: Iterable[int]) -> dict[int, Extent]:
        """Where the events partitions stand."""
        async with self._consumer({TopicPartition(EVENTS, p) for p in partitions}, group_id=self._app_id) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            first = await consumer.beginning_offsets(consumer.assignment())
            found = {}
            for tp, end in ends.items():
                committed = await consumer.committed(tp)
                found[tp.partition] = Extent(first[tp] if committed is None else committed, end)
            return found

    @asynccontextmanager
    async def _consumer(self, partitions: set[TopicPartition], **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of these partitions that is no member of any group."""
        consumer = AIOKafkaConsumer(**self._settings.client_config(), enable_auto_commit=False, auto_offset_reset="earliest",
                                    max_partition_fetch_bytes=_FETCH_BYTES, **more)
        await consumer.start()
        try:
            consumer.assign(partitions)
            yield consumer
        finally:
            await consumer.stop()
