"""The notifier's topics: alerts and actions into the book, staff into the directory, publications out.

Each loop's function does one round and returns. What was read is in the database before its offset is committed; reading it
again changes nothing.
"""
from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from keepintouch.acceptance import Refused, dead_letter_headers
from keepintouch.councils import Councils
from keepintouch.runtime import kafka
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, DEAD_LETTERS, NOTIFICATIONS, STAFF
from schemas.actions import AlertAction
from schemas.alerts import Alert
from services.notifier.book import Erased, apply_actions, apply_alerts
from services.notifier.database import Database
from services.notifier.directory import Directory
from services.notifier.ladder import Ladder
from services.notifier.metrics import Metrics
from services.notifier.publications import Pending, forget, oldest
from services.notifier.records import Gone, read_action, read_alert, read_staff

GROUP, STAFF_GROUP = "notifier", "notifier-staff"
_POLL_MS = 100
_AT_ONCE = 500
_OURS = (ALERTS, ALERT_ACTIONS)
_JOIN_SECONDS = 5.0

_log = get_logger(__name__)


def make_producer(settings: KafkaSettings) -> KafkaProducer:
    """One producer for all. It blocks no longer than a stop may take; whoever sends tries again."""
    return kafka.producer(settings, max_block_ms=3_000)


def check_topics(settings: KafkaSettings) -> None:
    """Raise TopicMissing if one that is read or written is not there."""
    with contextlib.closing(kafka.consumer(settings)) as consumer:
        for topic in (ALERTS, ALERT_ACTIONS, STAFF, NOTIFICATIONS, DEAD_LETTERS):
            if not consumer.partitions_for_topic(topic):
                raise TopicMissing(f"Kafka has no topic {topic}: create the topics first (keepintouch topics create)")


@dataclass(slots=True)
class DeadLetters:
    """Takes what was not accepted, and does not return before Kafka has it."""

    producer: KafkaProducer
    metrics: Metrics
    stopping: threading.Event

    def put(self, record: Any, refused: Refused, now: datetime) -> bool:
        """Publish one; False if we were asked to stop before Kafka had it."""
        headers = dead_letter_headers(record.headers, refused, record.topic, record.partition, record.offset, now)
        while not self.stopping.is_set():
            try:
                self.producer.send(DEAD_LETTERS, value=record.value, key=record.key, headers=headers).get(timeout=30)
            except KafkaError as error:
                _log.warning("kafka_away", topic=DEAD_LETTERS, reason=type(error).__name__)
                self.stopping.wait(1)
                continue
            self.metrics.dead_letters.labels(record.topic, refused.reason).inc()
            _log.warning("dead_letter", topic=record.topic, partition=record.partition, offset=record.offset,
                         reason=refused.reason)
            return True
        return False


@dataclass(slots=True)
class AlertReader:
    """Alerts and actions, as a member of the group; `caught_up` once everything there was at the start has been read."""

    settings: KafkaSettings
    database: Database
    directory: Directory
    councils: Councils
    dead_letters: DeadLetters
    now: Callable[[], datetime]
    backfill_came: Callable[[Iterable[str]], None]
    metrics: Metrics
    assigned: threading.Event = field(default_factory=threading.Event)
    caught_up: threading.Event = field(default_factory=threading.Event)
    _consumer: KafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _short_since: float = 0.0

    def run_once(self) -> None:
        """Read what there is, and commit."""
        if self._consumer is None:
            self._join()
        assert self._consumer is not None
        batches = self._consumer.poll(timeout_ms=_POLL_MS)
        if self._is_short_of_partitions(self._consumer):
            _log.warning("partitions_missing", count=len(self._consumer.assignment()))
            self.close()
            self._consumer = None
            return
        if batches:
            records = [record for batch in batches.values() for record in batch]
            if not self._take(records):
                return
            try:
                self._consumer.commit()
            except KafkaError as error:   # read again, by us or by who has the partition now: nothing changes
                _log.warning("commit_failed", reason=type(error).__name__)
        self._notice_progress(self._consumer)

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)

    def _join(self) -> None:
        """Join the group, once the topics are known to the client: who leads the group deals out only what it knows of."""
        self._consumer = kafka.consumer(self.settings, group=GROUP, max_poll_records=_AT_ONCE)
        for topic in _OURS:
            self._consumer.partitions_for_topic(topic)
        self._consumer.subscribe(list(_OURS))
        self._short_since = time.monotonic()

    def _is_short_of_partitions(self, consumer: KafkaConsumer) -> bool:
        """Whether for too long we have had nothing of one of our topics.

        The client can join with a topic's partitions unknown for a moment, and then never look again (kafka-python 3.0.12).
        There are at most as many of us as partitions, so everybody has some of each topic.
        """
        if {each.topic for each in consumer.assignment()} == set(_OURS):
            self._short_since = time.monotonic()
        patience = self.settings.session_timeout.total_seconds() + _JOIN_SECONDS
        return time.monotonic() - self._short_since > patience

    def _take(self, records: Iterable[Any]) -> bool:
        """Put records into the book; False if we were asked to stop before all was done."""
        alerts: list[Alert | Erased] = []
        actions: list[AlertAction] = []
        results: Counter[tuple[str, str]] = Counter()
        for record in records:
            message = (read_alert if record.topic == ALERTS else read_action)(record, self.councils.slugs)
            match message:
                case Refused():
                    if not self.dead_letters.put(record, message, self.now()):
                        return False
                case Alert():
                    alerts.append(message)
                case AlertAction():
                    actions.append(message)
                case Gone(key) if record.topic == ALERTS:
                    alerts.append(Erased(key))
        with self.database.write() as connection:
            now = self.now()
            if alerts:
                outcomes = apply_alerts(connection, alerts, lambda slug: Ladder.of(self.councils.ladder_of(slug)), now)
                results.update({(ALERTS, str(outcome)): count for outcome, count in outcomes.items()})
            if actions:
                new = apply_actions(connection, actions, self.directory.is_manager, now)
                results.update({(ALERT_ACTIONS, "new"): len(new), (ALERT_ACTIONS, "known"): len(actions) - len(new)})
        if first_looks := {each.council for each in alerts if isinstance(each, Alert) and each.mode == "backfill"}:
            self.backfill_came(first_looks)
        for (topic, result), count in results.items():
            self.metrics.records.labels(topic, result).inc(count)
        return True

    def _notice_progress(self, consumer: KafkaConsumer) -> None:
        if self.caught_up.is_set():
            return
        partitions = consumer.assignment()
        if not partitions:
            return
        self.assigned.set()
        try:
            if unknown := [each for each in partitions if each not in self._ends]:
                self._ends |= consumer.end_offsets(unknown)
            if all(consumer.position(each) >= self._ends[each] for each in partitions):
                self.caught_up.set()
                _log.info("caught_up", partitions=len(partitions))
        except KafkaError as error:
            _log.warning("kafka_away", reason=type(error).__name__)


@dataclass(slots=True)
class StaffReader:
    """The whole staff topic into the directory, from its beginning at every start; `read` once that has been done.

    Its group has no members: its offsets only say up to where bad records have been reported.
    """

    settings: KafkaSettings
    directory: Directory
    councils: Councils
    dead_letters: DeadLetters
    now: Callable[[], datetime]
    changed: Callable[[], None]
    metrics: Metrics
    read: threading.Event = field(default_factory=threading.Event)
    _consumer: KafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _reported: dict[TopicPartition, int] = field(default_factory=dict)

    def run_once(self) -> None:
        """Read what there is."""
        if self._consumer is None:
            self._consumer = self._open()
        batches = self._consumer.poll(timeout_ms=_POLL_MS)
        for partition, records in batches.items():
            for record in records:
                if not self._take(partition, record):
                    return
        if batches:
            try:
                self._consumer.commit()
            except KafkaError as error:
                _log.warning("commit_failed", topic=STAFF, reason=type(error).__name__)
            if self.read.is_set():
                self.changed()
        if not self.read.is_set():
            try:
                done = all(self._consumer.position(each) >= end for each, end in self._ends.items())
            except KafkaError:
                return
            if done:
                self.read.set()
                _log.info("staff_read", count=len(self.directory))

    def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)

    def _open(self) -> KafkaConsumer:
        consumer = kafka.consumer(self.settings, group=STAFF_GROUP, max_poll_records=_AT_ONCE)
        partitions = [TopicPartition(STAFF, number) for number in sorted(consumer.partitions_for_topic(STAFF))]
        consumer.assign(partitions)
        self._reported = {each: consumer.committed(each) or 0 for each in partitions}
        self._ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        return consumer

    def _take(self, partition: TopicPartition, record: Any) -> bool:
        message = read_staff(record, self.councils.slugs)
        match message:
            case Refused():
                result = "refused"
                if record.offset >= self._reported[partition] and not self.dead_letters.put(record, message, self.now()):
                    return False
            case Gone(key):
                result = "gone"
                self.directory.remove(key)
            case _:
                result = "taken"
                self.directory.put(message)
        self.metrics.records.labels(STAFF, result).inc()
        return True


@dataclass(slots=True)
class Publisher:
    """Sends what is to be published, in its order, and forgets it once Kafka has acknowledged it."""

    producer: KafkaProducer
    database: Database
    metrics: Metrics
    _under_way: list[tuple[Pending, list[Any]]] = field(default_factory=list)

    def run_once(self) -> bool:
        """Send the next ones, or see what became of those under way; whether there was anything to do."""
        if not self._under_way:
            return self._send()
        if all(future.is_done for _, futures in self._under_way for future in futures):
            self._settle()
        return True

    def finish(self, within: float) -> None:
        """Publish all there is, if Kafka takes it in so many seconds."""
        deadline = time.monotonic() + within
        while self.run_once() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _send(self) -> bool:
        with self.database.read() as connection:
            pending = oldest(connection, _AT_ONCE)
        try:
            for each in pending:
                self._under_way.append((each, [self.producer.send(each.topic, value=each.value, key=key.encode())
                                               for key in each.keys]))
        except KafkaError as error:   # not even where to send it is known: the rest is sent later
            _log.warning("kafka_away", reason=type(error).__name__)
        return bool(pending)

    def _settle(self) -> None:
        # All from the first that failed is sent again, in order, so that the last record of a key is the true one.
        done = list(takewhile(lambda each: all(future.succeeded() for future in each[1]), self._under_way))
        if len(done) < len(self._under_way):
            failed = next(future for future in self._under_way[len(done)][1] if not future.succeeded())
            _log.warning("kafka_away", reason=type(failed.exception).__name__)
        self._under_way = []
        if done:
            with self.database.write() as connection:
                forget(connection, [each for each, _ in done])
            for each, _ in done:
                self.metrics.published.labels(each.topic).inc(len(each.keys))
