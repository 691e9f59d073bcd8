"""Records written as batches built by hand, on a real Apache Kafka: where each goes, in which order, and through an outage."""
from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict

import pytest
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from keepintouch.runtime import batches as under_test
from keepintouch.runtime import topics as t
from keepintouch.runtime.batches import Batches
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing, producer, read_to_end
from keepintouch.runtime.local_broker import LocalBroker
from tests.processes import until

pytestmark = pytest.mark.broker   # one starts a broker of its own


def test_in_order_on_the_partitions_that_kafkas_own_clients_choose(kafka: KafkaSettings, topics: tuple[t.Topic, ...]) -> None:
    keys = [f"council:{n % 50}".encode() for n in range(3_000)]
    with contextlib.closing(Batches(kafka)) as batches:
        count = len(batches.partitions(t.EVENTS))
        for n, key in enumerate(keys):
            batches.add(t.EVENTS, key, b"%d " % n + b"x" * (400_000 if n == 7 else 500))   # one is larger than a batch
        batches.add(t.STAFF, b"council:w", b"staff")
        assert batches.waiting == len(keys) + 1
        assert batches.flush() == []
        assert batches.waiting == 0
        assert batches.flush() == []
    found: dict[bytes, list[int]] = defaultdict(list)
    for record in read_to_end(kafka, t.EVENTS):
        assert record.key is not None
        assert record.value is not None
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % count
        found[record.key].append(int(record.value.partition(b" ")[0]))
    assert found == {key: list(range(keys.index(key), len(keys), 50)) for key in keys}
    assert [record.value for record in read_to_end(kafka, t.STAFF)] == [b"staff"]
    with contextlib.closing(producer(kafka)) as theirs:
        assert theirs.send(t.EVENTS, b"x", keys[0]).get(30).partition == (murmur2(keys[0]) & 0x7FFFFFFF) % count


def test_each_record_that_was_not_taken_is_told(kafka: KafkaSettings, topics: tuple[t.Topic, ...],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_WRITE_WITHIN_MS", 8_000)   # it tries what is too large for as long as all else
    with contextlib.closing(Batches(kafka)) as batches:
        batches.add(t.STAFF, b"council:w", b"x" * 5_000_000)   # more than the topic takes
        batches.add(t.STAFF, b"council:w", b"after it")
        batches.add(t.EVENTS, b"council:p", b"elsewhere")
        assert [type(error).__name__ for error in batches.flush()] == ["MessageSizeTooLargeError"] * 2
        with pytest.raises(TopicMissing, match=r"no topic care\.none"):
            batches.add("care.none", b"k", b"v")
    assert list(read_to_end(kafka, t.STAFF)) == []
    assert [record.value for record in read_to_end(kafka, t.EVENTS)] == [b"elsewhere"]


def test_it_goes_on_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_WRITE_WITHIN_MS", 2_000)
    with LocalBroker() as broker:
        t.create_topics(broker.settings, t.load_topics(partitions=2, replication=1))
        with contextlib.closing(Batches(broker.settings)) as batches:

            def write(value: bytes) -> list[Exception]:
                batches.add(t.STAFF, b"north:a", value)
                return batches.flush()

            until(lambda: write(b"before") == [])
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            until(lambda: [type(error) for error in write(b"meanwhile") if isinstance(error, KafkaError)])
            broker.kill()
            broker.start()
            until(lambda: write(b"after") == [])
        assert [record.value for record in read_to_end(broker.settings, t.STAFF)][-1] == b"after"
