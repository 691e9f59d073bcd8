"""Kafka: every topic the board reads, into the model; and what it writes."""
from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from keepintouch.runtime import kafka
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, partitions_of, up_to
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, AUDIT, NOTIFICATIONS, STAFF, people_changelog
from services.board.model.model import Model
from services.board.publishing import NotSavedError, Outgoing

RECENT = timedelta(days=90)
"""How far back actions, notifications and the audit are read."""
STALE_AFTER = 8.0
"""Seconds without a word from Kafka after which pages say so."""
_ASK_EVERY = 2.0
_WAIT_SECONDS = 5.0
_WHOLE, _LATELY = (STAFF, ALERTS), (ALERT_ACTIONS, NOTIFICATIONS, AUDIT)

_log = get_logger(__name__)


def check_topics(settings: KafkaSettings, app_id: str) -> None:
    """Raise TopicMissing if one that is read or written is not there."""
    with contextlib.closing(kafka.consumer(settings)) as consumer:
        for topic in (people_changelog(app_id), *_WHOLE, *_LATELY):
            partitions_of(consumer, topic)


@dataclass(slots=True)
class Reader:
    """Reads everything there is, then goes on: `loaded` once what there was at the start is in the model."""

    settings: KafkaSettings
    app_id: str
    model: Model
    now: Callable[[], datetime]
    stopping: threading.Event
    loaded: threading.Event = field(default_factory=threading.Event)
    fresh_at: datetime | None = None
    """When Kafka was last heard, on the clock in use: what pages show is as of then."""
    _heard: float = 0.0
    _asked: float = 0.0

    @property
    def away(self) -> bool:
        """Whether Kafka has not been heard for a while."""
        return time.monotonic() - self._heard > STALE_AFTER

    def run(self) -> None:
        """Read until asked to stop. Raises `StoredFormError` for state of a version that this code does not know."""
        with contextlib.closing(self._open()) as consumer:
            partitions = sorted(consumer.assignment())
            started = time.monotonic()
            while not self.loaded.is_set() and not self.stopping.is_set():
                try:
                    self._load(consumer, partitions)
                except (BrokerUnreachable, KafkaError) as error:
                    _log.warning("kafka_away", reason=type(error).__name__)
                    self.stopping.wait(1)
            _log.info("loaded", count=len(self.model.people), seconds=round(time.monotonic() - started, 2))
            while not self.stopping.is_set():
                self._go_on(consumer, partitions)

    def _open(self) -> KafkaConsumer:
        consumer = kafka.consumer(self.settings, max_poll_records=2_000, fetch_max_wait_ms=100, request_timeout_ms=5_000,
                                  max_partition_fetch_bytes=4 * 1024 * 1024)
        whole = [each for topic in (people_changelog(self.app_id), *_WHOLE) for each in partitions_of(consumer, topic)]
        lately = [each for topic in _LATELY for each in partitions_of(consumer, topic)]
        consumer.assign([*whole, *lately])
        consumer.seek_to_beginning(*whole)
        since = int((time.time() - RECENT.total_seconds()) * 1000)
        for at, found in consumer.offsets_for_times(dict.fromkeys(lately, since)).items():
            if found is None:
                consumer.seek_to_end(at)
            else:
                consumer.seek(at, found.offset)
        return consumer

    def _load(self, consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        ends = consumer.end_offsets(partitions)
        batch: list[Any] = []
        for record in up_to(consumer, self.settings, ends):
            batch.append(record)
            if len(batch) == 1_000:
                self._fold(batch)
                batch = []
                if self.stopping.is_set():
                    return
        self._fold(batch)
        self._hear()
        self.loaded.set()

    def _go_on(self, consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        try:
            batches = consumer.poll(timeout_ms=100)
            for records in batches.values():
                self._fold(records)
            if time.monotonic() - self._asked > _ASK_EVERY:
                self._asked = time.monotonic()
                ends = consumer.end_offsets(partitions, timeout_ms=2_000)
                if all(consumer.position(at) >= end for at, end in ends.items()):
                    self._hear()
        except KafkaError as error:
            _log.warning("kafka_away", reason=type(error).__name__)

    def _fold(self, records: Sequence[Any]) -> None:
        with self.model.lock:
            for record in records:
                self.model.fold(record.topic, record.key, record.value)

    def _hear(self) -> None:
        self._heard, self.fresh_at = time.monotonic(), self.now()


class KafkaPublisher:
    """Writes, and waits until all replicas have it, for some seconds at most."""

    def __init__(self, settings: KafkaSettings) -> None:
        # What was not acknowledged in time must not be sent later: the page has said that it was not saved.
        self._producer: KafkaProducer = kafka.producer(
            settings, max_block_ms=3_000, request_timeout_ms=3_000, delivery_timeout_ms=4_000, linger_ms=0)

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all are acknowledged; NotSavedError if any is not."""
        try:
            sent = [self._producer.send(each.topic, value=each.value, key=each.key.encode()) for each in records]
            for future in sent:
                future.get(timeout=_WAIT_SECONDS)
        except KafkaError as error:
            _log.warning("not_saved", reason=type(error).__name__)
            raise NotSavedError from None

    def close(self) -> None:
        """Stop writing."""
        self._producer.close(timeout=5)
