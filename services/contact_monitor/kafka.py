"""The monitor's topics: how they are laid out, and alerts, states and dead letters written to them."""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from keepintouch.acceptance import dead_letter_headers
from keepintouch.runtime import kafka
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, people_changelog
from keepintouch.standards.ledger import Publication

from .shard import DeadLetter, Writes
from .state import StateRecord

_BATCH_BYTES = 900_000
"""Under the brokers' default limit for one batch (1 MiB) with room for its header."""

Headers = list[tuple[str, bytes | None]]


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
