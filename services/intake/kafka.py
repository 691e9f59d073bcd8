"""Writes into Kafka and says of each record whether Kafka has it: acknowledged by all replicas, keyed, not doubled."""
from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kafka.errors import KafkaError

from keepintouch.runtime import kafka
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.partitions import partition_of
from keepintouch.runtime.topics import DEAD_LETTERS, EVENTS, STAFF
from services.intake.writer import Outgoing

_log = get_logger(__name__)


class KafkaWriter:
    """The real one; may be used by several threads. Raises BrokerUnreachable or TopicMissing if there is nothing to write to."""

    def __init__(self, settings: KafkaSettings, patience: timedelta) -> None:
        """`patience`: after so long without an acknowledgement a record counts as not written."""
        self._check_topics(settings)
        most = int(patience.total_seconds() * 1000)
        self._producer = kafka.producer(settings, delivery_timeout_ms=most, request_timeout_ms=max(500, most // 2),
                                        max_block_ms=max(500, most // 2), reconnect_backoff_max_ms=1000)
        self._within = patience.total_seconds() + 5   # it says by itself when its time is up; this is for when it does not

    def write(self, topic: str, records: Sequence[Outgoing]) -> list[bool]:
        """Whether Kafka has each record, once that is known of all."""
        under_way: list[list[Any]] = []
        try:
            partitions = sorted(self._producer.partitions_for(topic))
            for record in records:
                if not record.everywhere:
                    to = [partitions[partition_of(record.key, len(partitions))]]
                else:   # a manifest would say that what is missing is there
                    to = partitions if all(self._settled(under_way)) else []
                under_way.append([self._producer.send(topic, record.value, record.key, partition=each) for each in to])
        except KafkaError as error:   # not even where to send it is known
            _log.warning("kafka_away", topic=topic, reason=type(error).__name__)
        return self._settled(under_way) + [False] * (len(records) - len(under_way))

    def close(self) -> None:
        """Let go of Kafka; nothing may be under way."""
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=5)

    def _settled(self, under_way: Sequence[Sequence[Any]]) -> list[bool]:
        with contextlib.suppress(KafkaError):   # what is not done by then is False
            self._producer.flush(timeout=self._within)
        return [bool(futures) and all(each.succeeded() for each in futures) for futures in under_way]

    @staticmethod
    def _check_topics(settings: KafkaSettings) -> None:
        with contextlib.closing(kafka.consumer(settings)) as client:
            for topic in (EVENTS, STAFF, DEAD_LETTERS):
                if not client.partitions_for_topic(topic):
                    raise TopicMissing(topic)
