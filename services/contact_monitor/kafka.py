"""The monitor's topics: how they are laid out, and alerts, states and dead letters written to them."""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from keepintouch.acceptance import dead_letter_headers
from keepintouch.runtime import kafka
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.partitions import partition_of
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, people_changelog

from .records import DeadLetter, Writes
from .state import StateRecord

_BATCH_BYTES = 900_000
"""Under the brokers' default limit for one batch (1 MiB) with room for its header."""
_GZIP = 1
"""Kafka's number for this compression, which every client reads without further libraries."""
_WRITE_WITHIN_MS = 60_000
"""How long a broker may be away before a write fails, and the process with it."""

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Layout:
    """How many partitions the topics have; the changelog has as many as the events."""

    events: int
    alerts: int
    dead_letters: int


def check_topics(settings: KafkaSettings, app_id: str) -> Layout:
    """Return how the topics are laid out; raise UserError if one is missing, or the changelog does not fit the events."""
    changelog = people_changelog(app_id)
    with contextlib.closing(kafka.consumer(settings)) as consumer:
        counts = {name: len(consumer.partitions_for_topic(name) or ()) for name in (EVENTS, changelog, ALERTS, DEAD_LETTERS)}
    for name, count in counts.items():
        if not count:
            raise TopicMissing(name)
    if counts[EVENTS] != counts[changelog]:
        raise UserError(f"{changelog} has {counts[changelog]} partitions and {EVENTS} {counts[EVENTS]}: they must have as many; "
                        "delete the changelog if it is empty and create it anew (keepintouch topics create)")
    return Layout(counts[EVENTS], counts[ALERTS], counts[DEAD_LETTERS])


class Writer:
    """`ports.Writer` on a real Kafka: for each partition a transactional producer, whose id is the partition's.

    Kafka lets only the youngest producer of an id write. So a worker that was paused, and wakes up when others have taken its
    partitions over, cannot finish what it had begun.
    """

    def __init__(self, settings: KafkaSettings, app_id: str, layout: Layout) -> None:
        self._settings, self._app_id, self._layout = settings, app_id, layout
        self._producers: dict[int, AIOKafkaProducer] = {}

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Write for these partitions, and for no others, from now on.

        Returns when whoever wrote for them before can write no more, and what they had not committed is void.
        """
        await self.stop()
        self._producers = {partition: self._producer(partition) for partition in partitions}
        await asyncio.gather(*(producer.start() for producer in self._producers.values()))

    async def stop(self) -> None:
        """Write for no partition any more."""
        producers, self._producers = self._producers, {}
        await asyncio.gather(*(producer.stop() for producer in producers.values()))

    async def write_findings(self, partition: int, writes: Writes, now: datetime) -> None:
        """Alerts and dead letters, the first of a transaction; returns when all replicas in sync have them."""
        producer = self._producers[partition]
        await producer.begin_transaction()
        _add(producer, people_changelog(self._app_id), partition)
        alerts, letters, large = _Queue(), _Queue(), _Queue()
        for publication in writes.publications:
            key = str(publication.alert_id).encode()
            alerts.add(partition_of(key, self._layout.alerts), key, publication.value)
        for letter in writes.dead_letters:
            record = letter.record
            to = large if len(record.value or b"") > _BATCH_BYTES else letters
            to.add(partition_of(record.key, self._layout.dead_letters), record.key, record.value, _headers(letter, now))
        await _acknowledged([*await _send(producer, ALERTS, alerts), *await _send(producer, DEAD_LETTERS, letters),
                             *await _send(producer, DEAD_LETTERS, large, _compressed)])

    async def write_states(self, partition: int, records: Iterable[StateRecord]) -> int:
        """States, in their order; returns the offset after the last once all replicas in sync have them."""
        queue = _Queue()
        for key, value in records:
            queue.add(partition, key, value)
        return await _acknowledged(await _send(self._producers[partition], people_changelog(self._app_id), queue))

    async def commit(self, partition: int) -> None:
        """End the transaction: what was written holds, and is shown to readers."""
        await self._producers[partition].commit_transaction()

    def _producer(self, partition: int) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._settings.client_config(), transactional_id=f"{self._app_id}-{partition}", linger_ms=0,
            max_batch_size=_BATCH_BYTES, request_timeout_ms=_WRITE_WITHIN_MS, transaction_timeout_ms=_WRITE_WITHIN_MS)


def _add(producer: AIOKafkaProducer, topic: str, partition: int) -> None:
    """Add to a transaction what is only written to at its end: one request then adds all its partitions, and none is waited for
    while alerts that are written already wait to be shown. Private in aiokafka; a test of the writer fails when it changes."""
    producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))


def _compressed() -> BatchBuilder:
    """A batch that is compressed: what came compressed may be larger than a topic takes as it is."""
    return BatchBuilder(_BATCH_BYTES, _GZIP, is_transactional=True)


async def _send(producer: AIOKafkaProducer, topic: str, queue: _Queue, new: Callable[[], Any] | None = None,
                ) -> list[tuple[Any, int]]:
    """Send records as hand-built batches, which cost a fraction of one send per record; returns futures, and their counts."""
    sent, new = [], new or producer.create_batch
    for partition, records in queue.records.items():
        batch = new()
        for record in records:
            if _append(batch, *record) is None:
                sent.append(await _send_batch(producer, batch, topic, partition))
                batch = new()
                _append(batch, *record)
        sent.append(await _send_batch(producer, batch, topic, partition))
    return sent


async def _send_batch(producer: AIOKafkaProducer, batch: Any, topic: str, partition: int) -> tuple[Any, int]:
    batch.close()
    return await producer.send_batch(batch, topic, partition=partition), batch.record_count()


async def _acknowledged(sent: list[tuple[Any, int]]) -> int:
    """Wait for all; returns the greatest offset after a batch."""
    found = await asyncio.gather(*(future for future, _ in sent))
    return max((metadata.offset + count for metadata, (_, count) in zip(found, sent, strict=True)), default=0)


class _Queue:
    """Records to be sent, by partition, in their order."""

    def __init__(self) -> None:
        self.records: dict[int, list[tuple[bytes | None, bytes | None, Headers]]] = {}

    def add(self, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        self.records.setdefault(partition, []).append((key, value, headers or []))


def _append(batch: Any, key: bytes | None, value: bytes | None, headers: Headers) -> Any:
    return batch.append(timestamp=None, key=key, value=value, headers=headers)


def _headers(letter: DeadLetter, now: datetime) -> Headers:
    record = letter.record
    return dead_letter_headers(record.headers, letter.refused, EVENTS, record.partition, record.offset, now)
