"""The batch path: what it needs of Faust's private parts, and that no offset is committed past what is durable.

If a test of the first part fails after an upgrade of Faust, the two methods overridden in `faust_batches.py` must be held
against its `Consumer` anew before anything else: a wrong one loses events without a word.
"""
from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust.tables.manager import TableManager
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from services.contact_monitor import faust_batches as module
from services.contact_monitor.faust_batches import (
    BatchConsumer,
    BatchSchema,
    BatchThread,
    Fetched,
    Handover,
    NoTables,
    batch_scheduler,
    batch_transport,
)

EVENTS = "care.events.v1"


@dataclass
class Record:
    offset: int
    topic: str = EVENTS
    partition: int = 0
    timestamp: int = 1_700_000_000_000
    timestamp_type: int = 0


# What we need of Faust


@pytest.mark.parametrize(("name", "parameters", "is_async"), [
    ("_new_offset", ["self", "tp"], False), ("_add_gap", ["self", "tp", "offset_from", "offset_to"], True)])
def test_the_methods_overridden_are_those_that_faust_calls(name: str, parameters: list[str], is_async: bool) -> None:
    method = getattr(Consumer, name)
    assert list(inspect.signature(method).parameters) == parameters
    assert inspect.iscoroutinefunction(method) is is_async
    assert f"self.{name}(" in inspect.getsource(Consumer), "Faust no longer calls it"
    assert getattr(driver.Consumer, name) is method, "the driver has one of its own now"


@pytest.mark.anyio
@pytest.mark.parametrize(("manager", "waits"), [(TableManager, [1.0]), (NoTables, [])])
async def test_nobody_waits_for_tables_that_will_not_come(manager: type[TableManager], waits: list[float]) -> None:
    """If Faust's own no longer waits, ours has become superfluous."""
    waited = list[float]()

    async def note(_: TableManager, seconds: float) -> None:
        waited.append(seconds)

    async def nothing(*_: object) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableManager, "sleep", note)
        patch.setattr(TableManager, "_update_channels", nothing)
        patch.setattr(TableManager, "recovery", type("Recovery", (), {"start": nothing})())
        await manager(faust.App("nobody", store="memory://")).on_start()
    assert waited == waits


def test_the_commit_loop_goes_by_the_offsets_acknowledged() -> None:
    """We leave one in `_acked`, so that Faust asks for a new offset of this partition at every commit."""
    assert "in self._acked" in inspect.getsource(Consumer._filter_tps_with_pending_acks)
    assert "self._new_offset(tp)" in inspect.getsource(Consumer._filter_committable_offsets)
    ack = inspect.getsource(Consumer.ack)
    assert "self._acked[tp]" in ack
    assert "self._acked_index[tp]" in ack
    init = inspect.getsource(Consumer.__init__)
    assert "self._acked = defaultdict(list)" in init
    assert "self._acked_index = defaultdict(set)" in init


def test_offsets_that_partitions_leave_behind_are_dropped() -> None:
    revoked = inspect.getsource(Consumer.on_partitions_revoked)
    assert "self._acked.pop(tp" in revoked
    assert "self._committed_offset.pop(tp" in revoked


def test_a_fetch_goes_through_the_scheduler_and_reads_nothing_but_attributes() -> None:
    assert "self.scheduler.iterate(records)" in inspect.getsource(Consumer.getmany)
    assert "self.app.conf.ConsumerScheduler()" in inspect.getsource(Consumer.__init__)
    assert list(inspect.signature(DefaultSchedulingStrategy.iterate).parameters) == ["self", "records"]
    read = {line.split("record.")[1].split(",")[0].strip() for line in inspect.getsource(driver.Consumer._to_message).splitlines()
            if "record." in line}
    assert read <= set(batch_of(Record(3)).__slots__)


def test_each_fetch_is_asked_for_as_the_fetcher_has_it_then() -> None:
    source = inspect.getsource(Fetcher._get_actions_per_node)
    assert "self._fetch_max_wait_ms,\n                self._fetch_min_bytes," in source
    assert "self._fetch_records," in inspect.getsource(driver.AIOKafkaConsumerThread.getmany)
    assert "_consumer._max_poll_records" in inspect.getsource(driver.AIOKafkaConsumerThread.getmany)
    assert "AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)" in inspect.getsource(
        driver.Consumer._new_consumer_thread)


def test_a_revocation_waits_for_the_agent_before_it_is_signalled() -> None:
    source = inspect.getsource(faust.App._on_partitions_revoked)
    assert source.index("_consumer_wait_empty") < source.index("self.on_partitions_revoked.send")


def test_a_stop_commits_after_the_signal_for_the_last_write() -> None:
    source = inspect.getsource(faust.App.on_stop)
    assert source.index("_stop_consumer") < source.index("on_before_shutdown.send")
    assert "self.wait_empty()" in inspect.getsource(Consumer.on_stop), "the consumer stops after its app's on_stop, and commits"


# What we make of it


def batch_of(*records: Record, handover: Handover | None = None) -> Any:
    scheduler = batch_scheduler(handover or Handover())()
    ((_, batch),) = scheduler.iterate({TP(EVENTS, 0): list(records)})
    return batch


def test_one_batch_for_each_partition_that_brought_anything() -> None:
    handover = Handover()
    scheduler = batch_scheduler(handover)()
    found = list(scheduler.iterate({TP(EVENTS, 0): [Record(4), Record(7)], TP(EVENTS, 1): [], TP(EVENTS, 2): [Record(1)]}))
    assert [(tp.partition, batch.offset, batch.value.follows) for tp, batch in found] == [(0, 7, None), (2, 1, None)]
    assert [record.offset for record in found[0][1].value.records] == [4, 7]
    assert batch_of(Record(8), handover=handover).value == Fetched([Record(8)], 0, 8)
    handover.begin_again()
    assert batch_of(Record(5), handover=handover).value == Fetched([Record(5)], 1, None)


@pytest.mark.anyio
async def test_events_come_together_at_the_broker_while_they_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[dict[TP, list[Record]]] = []

    async def fetch(*_: object, **__: object) -> dict[TP, list[Record]]:
        return brought.pop(0)

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    consumer: Any = SimpleNamespace(_fetcher=SimpleNamespace())
    thread, seconds, asked = object.__new__(BatchThread), 0.0, list[int]()
    thread.handover = Handover()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds))
    something, nothing = {TP(EVENTS, 0): [Record(1)]}, dict[TP, list[Record]]()
    for after, found in (
            (9, something), (0.04, something), (0.04, something), (0.06, something), (0.04, something), (1, nothing)):
        seconds, brought = seconds + after, [found]
        assert await thread._fetch_records(consumer, {TP(EVENTS, 0)}) is found
        asked.append(consumer._fetcher._fetch_min_bytes)
    assert asked == [1, 65536, 65536, 1, 65536, 1]
    assert consumer._fetcher._fetch_max_wait_ms == 1_500
    for busy, wait in ((False, 10), (True, 40), (False, 10)):
        thread.handover.busy, brought = busy, [something, something]
        for _ in "12":
            await thread._fetch_records(consumer, {TP(EVENTS, 0)})
        assert consumer._fetcher._fetch_max_wait_ms == wait


def test_the_schema_hands_a_batch_through() -> None:
    app = faust.App("t", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False)
    fetched = Fetched([Record(1)], 0, None)
    message: Any = faust.types.Message(EVENTS, 0, 1, 0.0, 0, [], None, fetched, None)  # type: ignore[arg-type]
    event = asyncio.run(BatchSchema().compile(app)(message))
    assert event.value is fetched
    assert event.message.partition == 0


@dataclass
class Committing:
    """As much of a consumer as its commit accounting needs."""

    handover: Handover

    def __post_init__(self) -> None:
        self._acked: dict[TP, list[int]] = defaultdict(list)
        self._acked_index: dict[TP, set[int]] = defaultdict(set)

    def ack(self, offset: int, partition: int = 0) -> None:
        self._acked[TP(EVENTS, partition)].append(offset)
        self._acked_index[TP(EVENTS, partition)].add(offset)

    def offset(self, partition: int = 0) -> int | None:
        return BatchConsumer._new_offset(self, TP(EVENTS, partition))  # type: ignore[arg-type]


def test_no_offset_is_committed_past_what_is_durable() -> None:
    consumer = Committing(Handover())
    consumer.ack(1_999)
    assert consumer.offset() is None, "acknowledged by the agent, but nothing is written yet"
    consumer.handover.durable[0] = 1_200
    consumer.ack(3_999)
    assert consumer.offset() == 1_200
    consumer.handover.durable[0] = 4_000
    assert consumer.offset() == 4_000, "asked again without anything new acknowledged"
    assert consumer.offset(1) is None, "another partition"


def test_offsets_acknowledged_do_not_pile_up() -> None:
    consumer = Committing(Handover())
    for offset in range(1_999, 2_000_000, 2_000):
        consumer.ack(offset)
        consumer.offset()
    tp = TP(EVENTS, 0)
    assert consumer._acked[tp] == [1_999_999]
    assert consumer._acked_index[tp] == {1_999_999}


def test_nothing_is_committed_for_partitions_that_have_gone() -> None:
    consumer = Committing(Handover())
    consumer.ack(9)
    consumer.handover.durable[0] = 10
    consumer.handover.begin_again()
    assert consumer.offset() is None


def test_offsets_inside_a_batch_are_no_gaps() -> None:
    consumer = Committing(Handover())
    asyncio.run(BatchConsumer._add_gap(consumer, TP(EVENTS, 0), 1, 5))  # type: ignore[arg-type]
    assert not hasattr(consumer, "_gap")


def test_the_transport_makes_a_consumer_that_shares_the_handover() -> None:
    handover = Handover()
    consumer: Any = batch_transport(handover).Consumer
    assert issubclass(consumer, BatchConsumer)
    assert consumer.handover is handover
    assert driver.Transport.Consumer is driver.Consumer, "Faust's own is left as it is"
