"""What the writer asks of a producer of Kafka's: batches made by hand, every one acknowledged, to the partition that is meant."""
from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.transaction_manager import TransactionManager

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.partitions import partition_of
from keepintouch.runtime.topics import ALERTS, people_changelog
from keepintouch.standards.ledger import Publication
from services.contact_monitor import kafka as module
from services.contact_monitor.kafka import Layout, Writer
from services.contact_monitor.records import Writes

from .test_monitor import live

NOW = datetime(2024, 2, 20, 12, tzinfo=UTC)
FINDINGS = Writes([], [Publication(UUID(int=1), b"{}"), Publication(UUID(int=2), None)], [], 0, None, {})


@dataclass
class Sent:
    """A batch made by hand, and whether Kafka has acknowledged it."""

    topic: str
    partition: int
    records: list[tuple[bytes | None, bytes | None]]
    acknowledged: asyncio.Future[Any]


class FakeProducer:
    """As much of aiokafka's as the writer uses: there is no sending of records one by one."""

    def __init__(self, **config: Any) -> None:
        self.config, self.sent, self.log = config, list[Sent](), list[str]()
        self.acknowledges = True
        self._txn_manager = self

    def maybe_add_partition_to_txn(self, partition: TopicPartition) -> None:
        self.log.append(f"add {partition.topic} {partition.partition}")

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def begin_transaction(self) -> None:
        self.log.append("begin")

    async def commit_transaction(self) -> None:
        self.log.append("commit")

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert batch.closed
        future = asyncio.get_running_loop().create_future()
        self.sent.append(Sent(topic, partition, batch.records, future))
        if self.acknowledges:
            future.set_result(SimpleNamespace(offset=100))
        return future


@dataclass
class Batch:
    """Takes a thousand records."""

    records: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    closed: bool = False

    def append(self, *, timestamp: None, key: bytes | None, value: bytes | None, headers: Any) -> object | None:
        if len(self.records) == 1_000:
            return None
        self.records.append((key, value))
        return object()

    def close(self) -> None:
        self.closed = True

    def record_count(self) -> int:
        return len(self.records)


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    made = list[FakeProducer]()

    def make(**config: Any) -> FakeProducer:
        made.append(FakeProducer(**config))
        return made[-1]

    monkeypatch.setattr(module, "AIOKafkaProducer", make)
    return made


async def a_writer(producers: list[FakeProducer]) -> tuple[Writer, FakeProducer]:
    """One that has taken partition 3 of 12 over."""
    writer = Writer(KafkaSettings(), "contact-monitor", Layout(12, 6, 3))
    await writer.take_over([3])
    return writer, producers[-1]


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@live
async def test_a_write_is_done_when_kafka_has_acknowledged_every_record(producers: list[FakeProducer]) -> None:
    writer, producer = await a_writer(producers)
    producer.acknowledges = False
    for write in (writer.write_findings(3, FINDINGS, NOW), writer.write_states(3, [(b"k", b"v")])):
        producer.sent.clear()
        writing = asyncio.create_task(write)
        await turns()
        assert producer.sent
        for sent in producer.sent:
            assert not writing.done(), "one is not acknowledged yet"
            sent.acknowledged.set_result(SimpleNamespace(offset=1))
            await turns()
        await asyncio.wait_for(writing, 60)
    assert producer.log == ["start", "begin", "add contact-monitor-people-changelog 3"]
    await writer.commit(3)
    assert producer.log[-1] == "commit"


def test_partitions_are_added_to_a_transaction_in_the_way_aiokafka_does_it() -> None:
    """It is private there."""
    assert list(inspect.signature(TransactionManager.maybe_add_partition_to_txn).parameters) == ["self", "tp"]
    assert "self._txn_manager = TransactionManager(" in inspect.getsource(AIOKafkaProducer)


@live
async def test_each_partition_has_a_producer_of_its_own_for_as_long_as_it_is_written_for(producers: list[FakeProducer]) -> None:
    writer, _ = await a_writer(producers)
    await writer.take_over([3, 7])
    assert [(each.config["transactional_id"], each.log) for each in producers] == [
        ("contact-monitor-3", ["start", "stop"]), ("contact-monitor-3", ["start"]), ("contact-monitor-7", ["start"])]
    await writer.stop()
    assert all(each.log == ["start", "stop"] for each in producers)
    with pytest.raises(KeyError):
        await writer.write_states(3, [(b"k", b"v")])


@live
async def test_a_send_that_fails_is_heard_of(producers: list[FakeProducer]) -> None:
    writer, producer = await a_writer(producers)
    producer.acknowledges = False
    for write in (writer.write_findings(3, FINDINGS, NOW), writer.write_states(3, [(b"k", b"v")])):
        producer.sent.clear()
        writing = asyncio.create_task(write)
        await turns()
        for number, sent in enumerate(producer.sent):
            if number:
                sent.acknowledged.set_result(SimpleNamespace(offset=1))
            else:
                sent.acknowledged.set_exception(ConnectionError("message too large"))
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(writing, 60)


@live
async def test_states_go_to_the_partition_of_the_events_whatever_their_key(producers: list[FakeProducer]) -> None:
    writer, producer = await a_writer(producers)
    keys = [f"lancashire:p{number}".encode() for number in range(50)]
    assert {partition_of(key, 12) for key in keys} == set(range(12))
    await writer.write_states(3, [(key, b"v") for key in keys])
    assert [(sent.topic, sent.partition) for sent in producer.sent] == [(people_changelog("contact-monitor"), 3)]


@live
async def test_thousands_of_records_are_a_few_batches(producers: list[FakeProducer]) -> None:
    writer, producer = await a_writer(producers)
    records = [(f"lancashire:p{number}".encode(), b"v") for number in range(10_500)]
    end = await writer.write_states(3, records)
    assert [len(sent.records) for sent in producer.sent] == [1_000] * 10 + [500]
    assert [record for sent in producer.sent for record in sent.records] == records
    assert end == 1_100


@live
async def test_alerts_and_dead_letters_go_to_their_own_topics_by_key(producers: list[FakeProducer]) -> None:
    writer, producer = await a_writer(producers)
    await writer.write_findings(3, FINDINGS, NOW)
    assert {(sent.topic, sent.partition) for sent in producer.sent} == {
        (ALERTS, partition_of(str(UUID(int=n)).encode(), 6)) for n in (1, 2)}
