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
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.serializer import Serializer

from keepintouch.acceptance import Refused, dead_letter_headers
from keepintouch.councils import Councils
from keepintouch.ladders.ladder import Ladder
from keepintouch.runtime import kafka
from keepintouch.runtime.database import AWAY, Database
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, DEAD_LETTERS, NOTIFICATIONS, STAFF
from schemas.actions import AlertAction
from schemas.alerts import Alert
from services.notifier.book import Erased, apply_actions, apply_alerts, note_first_look
from services.notifier.directory import Directory
from services.notifier.last_known import LastKnown
from services.notifier.lead import Lead
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.publications import Pending, forget, oldest, without_outdated
from services.notifier.records import Gone, read_action, read_alert, read_staff

GROUP, STAFF_GROUP = "notifier", "notifier-staff"
_POLL_MS = 100
_AT_ONCE = 500
_OURS = (ALERTS, ALERT_ACTIONS)
_JOIN_SECONDS = 5.0
_LAG_SECONDS = 1.0

PUBLISHING: Final = 0x6B69745F707562
"""The number of the lock that the instance which publishes has: "kit_pub"."""

NONE: Final = object()
"""Stands for no value at all: given None beside a key of None, kafka-python raises, though Kafka takes such a record."""

_log = get_logger(__name__)


class _Values(Serializer):  # type: ignore[misc]  # untyped
    def serialize(self, _topic: str, _headers: object, value: object) -> object:
        return None if value is NONE else value


def make_producer(settings: KafkaSettings) -> KafkaProducer:
    """One producer for all. It blocks no longer than a stop may take; whoever sends tries again."""
    return kafka.producer(settings, max_block_ms=3_000, value_serializer=_Values())


def check_topics(settings: KafkaSettings) -> None:
    """Raise TopicMissing if one that is read or written is not there."""
    with contextlib.closing(kafka.consumer(settings)) as consumer:
        for topic in (ALERTS, ALERT_ACTIONS, STAFF, NOTIFICATIONS, DEAD_LETTERS):
            if not consumer.partitions_for_topic(topic):
                raise TopicMissing(topic)


@dataclass(slots=True)
class DeadLetters:
    """Takes what was not accepted, and does not return before Kafka has it."""

    producer: KafkaProducer
    metrics: Metrics
    stopping: threading.Event

    def put(self, record: Any, refused: Refused, now: datetime) -> bool:
        """Publish one; False if we were asked to stop before Kafka had it."""
        headers = [(name, value or b"") for name, value in dead_letter_headers(   # kafka-python writes no null ones
            record.headers, refused, record.topic, record.partition, record.offset, now)]
        value = NONE if record.value is None else record.value
        while not self.stopping.is_set():
            try:
                self.producer.send(DEAD_LETTERS, value=value, key=record.key, headers=headers).get(timeout=30)
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
    moment: Callable[[], Moment]
    metrics: Metrics
    assigned: threading.Event = field(default_factory=threading.Event)
    caught_up: threading.Event = field(default_factory=threading.Event)
    _consumer: KafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _short_since: float = 0.0
    _say_lag_at: float = 0.0

    def run_once(self) -> None:
        """Read what there is, and commit."""
        if self._consumer is None:
            self._join()
        assert self._consumer is not None
        batches = self._consumer.poll(timeout_ms=_POLL_MS)
        if self._is_short_of_partitions(self._consumer):
            _log.warning("partitions_missing", count=len(self._consumer.assignment()))
            self.close()
            return
        if batches:
            records = [record for batch in batches.values() for record in batch]
            try:
                if not self._take(records):
                    return
            except AWAY:   # the database is away: they are to be read again
                self.close()
                raise
            try:
                self._consumer.commit()
            except KafkaError as error:   # read again, by us or by who has the partition now: nothing changes
                _log.warning("commit_failed", reason=type(error).__name__)
        self._notice_progress(self._consumer)
        self._notice_lag(self._consumer)

    def close(self) -> None:
        """Leave the group; what is not committed is read again."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close(autocommit=False)

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
                    if not self.dead_letters.put(record, message, self.moment().now):
                        return False
                case Alert():
                    alerts.append(message)
                case AlertAction():
                    actions.append(message)
                case Gone(key) if record.topic == ALERTS:
                    alerts.append(Erased(key))
        with self.database.write() as connection:
            moment = self.moment()
            now = moment.now
            if alerts:
                outcomes = apply_alerts(connection, alerts, lambda slug: Ladder.of_council(self.councils, slug), now)
                results.update({(ALERTS, str(outcome)): count for outcome, count in outcomes.items()})
                note_first_look(connection, sorted({each.council for each in alerts if isinstance(each, Alert)
                                                    and each.mode == "backfill"}), moment.real)
            if actions:
                new = apply_actions(connection, actions, self.directory.is_manager, now)
                results.update({(ALERT_ACTIONS, "new"): len(new), (ALERT_ACTIONS, "known"): len(actions) - len(new)})
        for (topic, result), count in results.items():
            self.metrics.records.labels(topic, result).inc(count)
        return True

    def _notice_progress(self, consumer: KafkaConsumer) -> None:
        if self.caught_up.is_set():
            return
        partitions = consumer.assignment()
        if {each.topic for each in partitions} != set(_OURS):   # a part is not all there was
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


    def _notice_lag(self, consumer: KafkaConsumer) -> None:
        """Say now and then how much there is still to be read."""
        if time.monotonic() < self._say_lag_at:
            return
        self._say_lag_at = time.monotonic() + _LAG_SECONDS
        lag = dict.fromkeys(_OURS, 0)
        try:
            for each in consumer.assignment():
                position = consumer.position(each, timeout_ms=_POLL_MS)   # or it waits for as long as Kafka is away
                if position is None:
                    return
                lag[each.topic] += max(0, (consumer.highwater(each) or 0) - position)
        except KafkaError as error:
            _log.warning("kafka_away", reason=type(error).__name__)
            return
        for topic, count in lag.items():
            self.metrics.lag.labels(topic).set(count)


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
    last_known: LastKnown
    read: threading.Event = field(default_factory=threading.Event)
    _consumer: KafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _reported: dict[TopicPartition, int] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)

    def run_once(self) -> None:
        """Read what there is."""
        if self._consumer is None:
            self.last_known.recall()
            self._touched = self.directory.refs   # who is not on the topic any more has gone
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
            if self._touched:
                self.last_known.keep(self._touched)
                self.changed()
                self._touched.clear()
            return
        try:
            done = all(self._consumer.position(each) >= end for each, end in self._ends.items())
        except KafkaError:
            return
        if done:
            self.last_known.keep(self._touched)
            self._touched.clear()
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
                self._touched.add(key)
            case _:
                result = "taken"
                self.directory.put(message)
                self._touched.add(message.worker_ref)
        self.metrics.records.labels(STAFF, result).inc()
        return True


@dataclass(slots=True)
class Publisher:
    """Sends what is to be published, in its order, and forgets it once Kafka has acknowledged it.

    Of several instances one does, or a record would be overtaken by an older one of the same key. What is in doubt, because
    somebody may have sent it and not lived to write that down, is sent again, but for what a later record in doubt has made out
    of date: a provider's message that has come to its end does not come back from there.
    """

    producer: KafkaProducer
    database: Database
    metrics: Metrics
    _under_way: list[tuple[Pending, list[Any]]] = field(default_factory=list)
    _lead: Lead = field(init=False)
    _in_doubt: bool = True

    def __post_init__(self) -> None:
        """Nobody leads yet."""
        self._lead = Lead(self.database, PUBLISHING)

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

    def close(self) -> None:
        """Let another instance publish."""
        self._lead.close()

    def _send(self) -> bool:
        with self.database.read() as connection:
            if not oldest(connection, 1):
                self._lead.keep()
                return False
        if not self._lead.held():
            self._in_doubt = True
            return False
        with self.database.read() as connection:   # whoever led before may have sent it meanwhile
            pending = oldest(connection, _AT_ONCE)
        if self._in_doubt:
            pending = without_outdated(pending)
        try:
            for each in pending:
                self._under_way.append((each, [self.producer.send(each.topic, value=each.value, key=key.encode())
                                               for key in each.keys]))
        except KafkaError as error:   # not even where to send it is known: the rest is sent later
            self._in_doubt = True
            _log.warning("kafka_away", reason=type(error).__name__)
        return bool(pending)

    def _settle(self) -> None:
        # All from the first that failed is sent again, in order, so that the last record of a key is the true one.
        done = list(takewhile(lambda each: all(future.succeeded() for future in each[1]), self._under_way))
        failed_at, self._in_doubt = len(done) if len(done) < len(self._under_way) else None, True
        if failed_at is not None:
            failed = next(future for future in self._under_way[failed_at][1] if not future.succeeded())
            _log.warning("kafka_away", reason=type(failed.exception).__name__)
        self._under_way = []
        if done:
            with self.database.write() as connection:
                forget(connection, [each for each, _ in done])
            for each, _ in done:
                self.metrics.published.labels(each.topic).inc(len(each.keys))
        self._in_doubt = failed_at is not None
