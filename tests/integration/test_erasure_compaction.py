"""What is left of an erased person when Kafka has compacted the monitor's topics: on a broker that does it at once, not in a day.

Looked at are the topics as any reader may have them, with what was never committed, and the very files on the broker's disk.
"""
from __future__ import annotations

import contextlib
import itertools
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from keepintouch.runtime.kafka import KafkaSettings, consumer, producer
from keepintouch.runtime.local_broker import LocalBroker
from keepintouch.runtime.supervisor import Supervisor
from keepintouch.runtime.topics import ALERTS, create_topics, load_topics, people_changelog
from keepintouch.standards import stored
from keepintouch.standards.instants import instant
from tests.integration.monitor_process import send, start_monitor, surroundings
from tests.unit.contact_monitor.events import erased, event, in_bed_and_breakfast, person, void

pytestmark = pytest.mark.broker   # one of its own; but one test with a broker at a time

APP_ID = "compacting"
CHANGELOG = people_changelog(APP_ID)
TRACE = b"canary"
REF, KEY = "lancashire:canary-p", b"lancashire:canary-p"
ERASED_AT = "2024-02-20T11:30:00Z"
TOMBSTONES_LAST = 15.0
QUICKLY = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0", "max.compaction.lag.ms": "100",
           "delete.retention.ms": f"{TOMBSTONES_LAST * 1000:.0f}"}


@pytest.fixture
def broker() -> Iterator[LocalBroker]:
    """One that looks for something to compact twenty times a second, and removes files at once."""
    with LocalBroker({"log.cleaner.backoff.ms": "50", "file.delete.delay.ms": "0"}) as running:
        yield running


@pytest.fixture
def kafka(broker: LocalBroker) -> KafkaSettings:
    """Topics of one partition each, so that whatever is written makes the file before it one that can be compacted."""
    topics = [replace(topic, partitions=1, config={**topic.config, **(QUICKLY if topic.name in (ALERTS, CHANGELOG) else {})})
              for topic in load_topics(app_id=APP_ID, replication=1)]
    create_topics(broker.settings, topics)
    return broker.settings


def raw(kafka: KafkaSettings, topic: str) -> list[tuple[bytes, bytes | None]]:
    """Every record there is, uncommitted ones too."""
    with contextlib.closing(consumer(kafka, isolation_level="read_uncommitted")) as client:
        at = TopicPartition(topic, 0)
        client.assign([at])
        client.seek_to_beginning(at)
        end, found = client.end_offsets([at])[at], list[Any]()
        while client.position(at) < end:
            found += client.poll(timeout_ms=100).get(at, [])
    return [(record.key, record.value) for record in found]


def on_disk(broker: LocalBroker, topic: str) -> bytes:
    """What the broker's files of a topic hold; one that is replaced meanwhile is read again."""
    folder = broker.log.parent / "data" / f"{topic}-0"
    while True:
        with contextlib.suppress(FileNotFoundError):
            return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))


class Life:
    """Somebody's; and others', so that the topics are written to."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka, self.numbers = kafka, itertools.count(1)

    def told(self) -> None:
        """With everything of theirs marked."""
        adviser, at = "lancashire:canary-w", "2024-01-05T12:00:00Z"
        visit = {"record_id": "canary-r1", "person_ref": REF, "recorded_at": at, "occurred_at": at, "worker_ref": adviser,
                 "worker_role": "personal_adviser", "location": "home", "outcome": "seen"}
        send(self.kafka, in_bed_and_breakfast("2024-02-01", REF, adviser_ref=adviser, team_ref="canary-team"),
             event("visit", REF, visit, "canary-e1"), event("visit", REF, visit | {"record_id": "canary-r2"}, "canary-e2"),
             void("canary-r2", "2024-01-06T12:00:00Z", REF))

    def goes_on_elsewhere(self) -> None:
        """Another person, with an alert at once."""
        send(self.kafka, person(f"lancashire:other{next(self.numbers)}"))

    def until(self, true: Callable[[], object], within: float = 120.0) -> None:
        """Go on until it is so."""
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, "it did not come about in time"
            self.goes_on_elsewhere()
            time.sleep(0.1)


def an_alert_that_was_never_committed(kafka: KafkaSettings, key: bytes, value: bytes) -> None:
    """As a worker leaves one that dies in the middle of a write."""
    with contextlib.closing(producer(kafka, transactional_id="dies", enable_idempotence=True)) as dying:
        dying.init_transactions()
        dying.begin_transaction()
        dying.send(ALERTS, value, key).get(timeout=60)
        dying.abort_transaction()


def test_of_someone_erased_nothing_is_left_but_that_they_were(broker: LocalBroker, kafka: KafkaSettings, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings(kafka, tmp_path, monkeypatch, APP_ID)
    life = Life(kafka)
    with Supervisor(stop_within=60) as children:
        port = start_monitor(children, tmp_path)
        life.told()
        life.until(lambda: sum(TRACE in (value or b"") for _, value in raw(kafka, ALERTS)) >= 2)
        life.until(lambda: any(key == KEY and TRACE in (value or b"") for key, value in raw(kafka, CHANGELOG)))
        theirs = {key: value for key, value in raw(kafka, ALERTS) if value is not None and TRACE in value}
        assert len(theirs) == 2
        for key, value in theirs.items():
            an_alert_that_was_never_committed(kafka, key, value)

        send(kafka, erased(ERASED_AT, REF))
        left_of_alerts = list[tuple[bytes, bytes | None]]()

        def without_a_trace() -> bool:
            left_of_alerts[:] = raw(kafka, ALERTS)
            return not any(TRACE in (value or b"") for _, value in left_of_alerts)

        life.until(without_a_trace)
        assert theirs.keys() == {key for key, value in left_of_alerts if value is None}, "whoever was away learns of it"
        life.until(lambda: not any(TRACE in (value or b"") for _, value in raw(kafka, CHANGELOG)))
        life.until(lambda: TRACE not in on_disk(broker, ALERTS))
        life.until(lambda: on_disk(broker, CHANGELOG).count(TRACE) == 1)
        (stub,) = [value for key, value in raw(kafka, CHANGELOG) if key == KEY]
        left = stored.load(stub or b"")
        assert (left.facts, left.registers, left.workers, left.ledger) == (None, {}, [], None)
        assert left.erased_at is not None
        assert instant(left.erased_at).isoformat() == "2024-02-20T11:30:00+00:00"

        life.until(lambda: not theirs.keys() & {key for key, _ in raw(kafka, ALERTS)}, TOMBSTONES_LAST + 60)
        life.until(lambda: not any(key in on_disk(broker, ALERTS) for key in theirs))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            assert TRACE not in page.read()
    assert TRACE not in (tmp_path / "monitor.log").read_bytes()
