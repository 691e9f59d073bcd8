"""A broker to measure against, filled quickly and watched cheaply."""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.topics import DEFAULT_APP_ID, EVENTS, create_topics, load_topics

from .events import PARTITIONS

BATCH_BYTES = 256 * 1024
"""As our own producers have it."""
_THOROUGH = ("-XX:+UseSerialGC",)
"""The compiler that is slow to start and then quick: a benchmark's broker is under load for long enough."""


@contextlib.contextmanager
def broker(app_id: str = DEFAULT_APP_ID, **config: str) -> Iterator[KafkaSettings]:
    """A Kafka of its own with every topic as declared; `config` (with `_` for `.`) overrides all topics' settings."""
    with LocalBroker(java_options=_THOROUGH) as local:
        topics = load_topics(app_id=app_id, partitions=PARTITIONS, replication=1)
        if config:
            changed = {name.replace("_", "."): value for name, value in config.items()}
            topics = tuple(type(each)(each.name, each.key, each.partitions, each.replication_factor, {**each.config, **changed})
                           for each in topics)
        create_topics(local.settings, topics)
        yield local.settings


class Fill:
    """Records for a topic, packed into batches beforehand, so that sending them takes the broker's time only."""

    def __init__(self, settings: KafkaSettings, topic: str, records: Iterable[tuple[int, tuple[bytes, bytes]]]) -> None:
        """`records`: partition, and key and value."""
        self.count = 0
        self._topic, self._batches = topic, list[tuple[int, Any]]()
        self._runner = asyncio.Runner()
        self._runner.run(self._prepare(settings, records))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._producer.stop())
        self._runner.close()

    def send(self) -> float:
        """Send everything; returns after how many seconds all was acknowledged."""
        started = time.monotonic()
        self._runner.run(self._send())
        return time.monotonic() - started

    async def _prepare(self, settings: KafkaSettings, records: Iterable[tuple[int, tuple[bytes, bytes]]]) -> None:
        self._producer = AIOKafkaProducer(**settings.client_config(), acks="all", enable_idempotence=True, linger_ms=0,
                                          max_batch_size=BATCH_BYTES)
        await self._producer.start()
        open_batches: dict[int, Any] = {}
        for partition, (key, value) in records:
            self.count += 1
            batch = open_batches.get(partition)
            if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    self._batches.append((partition, batch))
                batch = open_batches[partition] = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        self._batches += open_batches.items()
        for _, batch in self._batches:
            batch.close()

    async def _send(self) -> None:
        """Round the partitions, so that all of them fill evenly."""
        queues: dict[int, list[Any]] = {}
        for partition, batch in self._batches:
            queues.setdefault(partition, []).append(batch)
        self._batches = []
        await asyncio.gather(*(self._send_to(partition, batches) for partition, batches in queues.items()))

    async def _send_to(self, partition: int, batches: list[Any]) -> None:
        acknowledged = [await self._producer.send_batch(batch, self._topic, partition=partition) for batch in batches]
        await asyncio.gather(*acknowledged)


def fill(settings: KafkaSettings, topic: str, records: Iterable[tuple[int, tuple[bytes, bytes]]]) -> int:
    """Write records and return how many they were, once all are acknowledged."""
    with Fill(settings, topic, records) as prepared:
        prepared.send()
        return prepared.count


@dataclass(frozen=True, slots=True)
class Arrived:
    """A committed record, when Kafka had appended it (milliseconds), and when a reader had it (seconds), both since 1970."""

    topic: str
    key: bytes
    value: bytes | None
    appended_ms: int
    at: float


class Tail:
    """Reads topics from their beginning as anybody would who reads only what is committed; a context manager."""

    def __init__(self, settings: KafkaSettings, *topics: str, wait_ms: int = 100) -> None:
        self._client = _client(settings, {"isolation.level": "read_committed", "fetch.wait.max.ms": wait_ms,
                                          "auto.offset.reset": "earliest", "queued.max.messages.kbytes": 262_144})
        known = self._client.list_topics(timeout=10).topics
        self._client.assign([TopicPartition(topic, partition, 0) for topic in topics for partition in known[topic].partitions])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def poll(self, seconds: float = 0.02) -> list[Arrived]:
        """What has come in so many seconds, or at once if that is much."""
        found = self._client.consume(num_messages=20_000, timeout=seconds)
        at = time.time()
        return [_arrived(message, at) for message in found if message.error() is None]

    def poll_one(self, seconds: float) -> Arrived | None:
        """The next record as soon as it is there: for delays."""
        message = self._client.poll(seconds)
        return None if message is None or message.error() is not None else _arrived(message, time.time())

    def to_end(self, seconds: float = 60.0) -> Iterator[Arrived]:
        """Everything there is now; ends when nothing more has come for half a second at the end."""
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < 5 and time.monotonic() < deadline:
            found = self.poll(0.1)
            quiet = 0 if found else quiet + 1
            yield from found


def written(settings: KafkaSettings, topic: str) -> int:
    """How many records were written to a topic so far, compacted since or not; the marker of a transaction counts as one."""
    client = _client(settings, {})
    try:
        partitions = client.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(client.get_watermark_offsets(TopicPartition(topic, each), timeout=10)[1] for each in partitions)
    finally:
        client.close()


def _arrived(message: Message, at: float) -> Arrived:
    return Arrived(message.topic() or "", message.key() or b"", message.value(), message.timestamp()[1], at)


class Group:
    """Where a consumer group stands; a context manager."""

    def __init__(self, settings: KafkaSettings, group: str = DEFAULT_APP_ID) -> None:
        self._client = _client(settings, {"group.id": group})
        self._partitions = [TopicPartition(EVENTS, partition) for partition in range(PARTITIONS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def read(self) -> int:
        """How many events lie before the committed offsets; 0 while the group is being formed."""
        try:
            return sum(max(0, each.offset) for each in self._client.committed(self._partitions, timeout=5))
        except KafkaException:
            return 0


def _client(settings: KafkaSettings, more: dict[str, Any]) -> Consumer:
    common = {"bootstrap.servers": settings.bootstrap_servers, "group.id": "bench", "enable.auto.commit": False, "log_level": 0}
    return Consumer(common | more)
