"""Ways in which a stream processor on Faust loses, invents or leaks something, each closed and each held closed by a test.

| the trap | what closes it | test |
|---|---|---|
| an exception leaves an agent: its event is acknowledged all the same | it ends the process before it leaves | `TestExceptions` |
| of events taken in bunches all are acknowledged when one fails | a bunch is one event, and fails as one | `TestExceptions` |
| what cannot be decoded is dropped, and the agent starts anew | Faust decodes nothing | `TestUndecodable` |
| flushing a producer is no barrier: offsets go first | acknowledgements are awaited, all of them | `test_writer` |
| a send that fails is only a line in the log | it ends the process; the offset stays | `test_writer`, `TestStates` |
| two at work on one topic: offsets pass what is in flight | one agent, one topic, one at a time | `TestAsConfigured` |
| offsets skipped are gaps: commits lag for good | commits go by what is durable | `TestAsConfigured`, `test_faust_batches` |
| partitions return, and with them what was known of them once | it goes with them, and is read anew | `TestPartitions` |
| standbys in memory are read from nothing, and cost twice | no tables, so no standbys | `TestAsConfigured` |
| state goes where its key hashes to, not where its event was | the event's partition, always | `test_writer`, `TestStates` |
| a producer's buffer holds a hundred records | batches made by hand | `test_writer` |
| for the minute of a session nobody minds a killed worker's people | ten seconds | `TestAsConfigured` |
| timers run on half-restored state: people seem left alone | nothing is evaluated meanwhile | `TestPartitions` |
| a page shows state to anybody | no web server | `TestAsConfigured` |
| libraries log what they could not send | their texts are left out | `TestAsConfigured`, `tests/unit/runtime/test_logs.py` |
| exactly-once, global tables, windows and threaded producers of Faust | are not used | `TestAsConfigured` |
| a topic that is missing, or of another size, is ignored | told at the start; no worker makes one | `TestTopics` |
| members that subscribe to different things break their group | one topic, no leader's | `TestAsConfigured` |
| a record has no value | a dead letter as any other | `TestUndecodable` |
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import faust
import pytest
from faust.types import TP
from faust.types.enums import ProcessingGuarantee

from keepintouch.acceptance import accept_event
from keepintouch.runtime import kafka as kafka_runtime
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.partitions import partition_of
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS
from services.contact_monitor import main
from services.contact_monitor import shard as shard_module
from services.contact_monitor.faust_batches import BatchConsumer, Fetched, Handover
from services.contact_monitor.kafka import Layout, check_topics
from services.contact_monitor.settings import MonitorSettings

from .events import REF, erased, person, seen
from .memory_kafka import MemoryKafka, Record, Worker
from .test_monitor import Lancashire, county, live

__all__ = ["county"]   # the fixture


class Ended(BaseException):
    """The process is gone, at this point and no later."""


@pytest.fixture(autouse=True)
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(reason: str, error: BaseException | None = None) -> NoReturn:
        raise Ended(reason)

    monkeypatch.setattr(main, "fail_stop", end)


@dataclass
class Wired:
    """The app as the service builds it, with a monitor that does as it is told."""

    app: faust.App
    handover: Handover
    monitor: SimpleNamespace

    @property
    def agent(self) -> Any:
        (agent,) = self.app.agents.values()
        return agent


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    handover = Handover()
    app = main._faust_app(MonitorSettings(), KafkaSettings(), str(tmp_path), handover)
    monitor = SimpleNamespace()
    main._wire(app, monitor, monitor)  # type: ignore[arg-type]
    yield Wired(app, handover, monitor)
    asyncio.set_event_loop(None)


class Stream:
    """What an agent is given: one event after the other, each done with when the next is asked for. It cannot be taken from."""

    def __init__(self, *values: Any) -> None:
        self.values, self.done = values, list[Any]()

    async def events(self) -> AsyncIterator[Any]:
        for value in self.values:
            yield SimpleNamespace(message=SimpleNamespace(partition=0), value=value)
            self.done.append(value)


class TestExceptions:
    def test_ends_the_process_before_it_leaves_the_agent(self, wired: Wired) -> None:
        async def fold(partition: int, value: Any) -> None:
            raise ValueError("nobody foresaw it")

        wired.monitor.fold = fold
        stream = Stream("first", "second")
        with pytest.raises(Ended, match="unexpected_error"):
            asyncio.run(wired.agent.fun(stream))
        assert stream.done == []

    def test_and_so_everywhere_else(self, wired: Wired) -> None:
        """Where partitions go, come, and at the end."""
        async def fail(*_: Any) -> None:
            raise ValueError("nobody foresaw it")

        wired.monitor.revoke = wired.monitor.assign = wired.monitor.stop = fail
        app = wired.app
        for signal, given in ((app.on_partitions_revoked, {TP(EVENTS, 0)}), (app.on_partitions_assigned, {TP(EVENTS, 0)}),
                              (app.on_before_shutdown, None)):
            with pytest.raises(Ended, match="unexpected_error"):
                asyncio.run(signal.send(*([] if given is None else [given])))

    def test_each_batch_is_folded_before_it_is_done_with(self, wired: Wired) -> None:
        folding = list[Any]()

        async def fold(partition: int, value: Any) -> None:
            assert stream.done == folding, "the one before is done with, and no other"
            await asyncio.sleep(0)
            folding.append(value)

        wired.monitor.fold = fold
        stream = Stream("first", "second", "third")
        asyncio.run(wired.agent.fun(stream))
        assert folding == ["first", "second", "third"]

    def test_of_a_batch_that_fails_halfway_nothing_may_be_committed(self, county: Lancashire,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
        accept, accepted = accept_event, list[bytes | None]()

        def accept_two(value: bytes | None, *more: Any) -> Any:
            accepted.append(value)
            if len(accepted) > 2:
                raise ValueError("nobody foresaw it")
            return accept(value, *more)

        async def fold_and_go_on() -> dict[int, int]:
            county.kafka = MemoryKafka(partitions=1)
            worker = await county.start()
            for number in range(4):
                county.kafka.send(person(f"lancashire:p{number}"))
            with pytest.raises(ValueError, match="foresaw"):
                await worker.poll_all()
            await worker.rest()
            return worker.handover.durable

        monkeypatch.setattr(shard_module, "accept_event", accept_two)
        assert asyncio.run(fold_and_go_on()) == {0: 0}


class TestUndecodable:
    def test_whatever_it_is_the_agent_gets_it(self, wired: Wired) -> None:
        """Faust would drop it, and start the agent anew."""
        fetched = Fetched([Record(0, 7, b"\xff\xfe", b"\x00\x80{")], 0, None)
        message: Any = faust.types.Message(EVENTS, 0, 7, 0.0, 0, [], None, fetched, None)  # type: ignore[arg-type]
        topic = wired.agent.channel
        event = asyncio.run(topic.schema.compile(wired.app, on_key_decode_error=None, on_value_decode_error=None)(message))
        assert event.value is fetched

    @pytest.mark.parametrize(("value", "reason"), [(None, "not_json"), (b"", "not_json"), (b"\x00\x80{", "not_json"),
                                                   (b"null", "not_cloudevent")])
    def test_it_becomes_a_dead_letter_and_the_next_is_read(self, county: Lancashire, value: bytes | None, reason: str) -> None:
        async def hear() -> None:
            await county.start()
            county.kafka.send(value, REF.encode())
            county.kafka.send(value, b"\xff")
            await county.hear(person())

        asyncio.run(hear())
        assert [letter.refused.reason for letter in county.kafka.dead_letters] == [reason, reason]
        assert REF in county.kafka.people()
        assert county.kafka.committed == {p: len(log) for p, log in enumerate(county.kafka.events)}


class TestStates:
    def test_a_write_that_fails_ends_the_process_with_the_offset_where_it_was(self, county: Lancashire) -> None:
        class Failing(Worker):
            async def write_states(self, *_: Any) -> int:
                raise ConnectionError

        async def live_and_die() -> None:
            county.kafka.send(person())
            worker = Failing(county.kafka, county.rules, county.clock)
            await worker.own_all()
            await worker.poll_all()
            try:
                await main._or_stop(worker.monitor.run())
            finally:
                assert worker.handover.durable.items() <= {(p, 0) for p in range(2)}, "but of a partition with nothing on it"
                assert county.kafka.newest_alerts() == {}

        with pytest.raises(Ended, match="unexpected_error"):
            asyncio.run(live_and_die())

    @live
    async def test_someone_hashed_otherwise_by_their_source_has_their_state_beside_their_events(self, county: Lancashire) -> None:
        await county.start()
        county.kafka.send(person())
        right = partition_of(REF.encode(), county.kafka.partitions)
        county.kafka.events.reverse()
        await county.worker.run_dry()
        assert [bool(dict(log).get(REF.encode())) for log in county.kafka.changelog] == [p != right for p in (0, 1)]
        await county.start()
        await county.pass_time(days=1)
        assert [bool(dict(log).get(REF.encode())) for log in county.kafka.changelog] == [p != right for p in (0, 1)]


class TestPartitions:
    @live
    async def test_what_is_known_of_a_partition_goes_with_it(self, county: Lancashire) -> None:
        """Who was erased meanwhile by others, and whose tombstone compaction has taken away, must not be known again."""
        read = list[dict[int, int]]()

        class Compacted(Worker):
            async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]
                              ) -> dict[int, int]:
                read.append(dict(starts))
                for partition, start in starts.items():
                    log = self.kafka.changelog[partition]
                    last = {key: offset for offset, (key, _) in enumerate(log)}
                    for offset in sorted(last.values()):
                        if offset >= start and log[offset][1] is not None:
                            take(partition, *log[offset])
                return {partition: len(self.kafka.changelog[partition]) for partition in starts}

        home, away = partition_of(REF.encode(), 2), 1 - partition_of(REF.encode(), 2)
        worker = Compacted(county.kafka, county.rules, county.clock)
        await worker.own_all()
        county.kafka.send(person())
        await worker.run_dry()
        await worker.own(away)
        county.kafka.send(erased("2024-02-20T11:00:00Z"))
        other = Worker(county.kafka, county.rules, county.clock)
        await other.own(home)
        await other.run_dry()
        county.clock.advance(timedelta(days=500))
        await other.rest()
        assert county.kafka.changelog[home][-2:].count((REF.encode(), None)) == 1
        published = county.published
        await worker.own_all()
        await worker.run_dry()
        await worker.monitor.round()
        assert read[-1] == {home: 0, away: len(county.kafka.changelog[away])}
        assert county.published == published
        assert county.kafka.people() == {}

    @live
    async def test_nothing_is_evaluated_while_state_is_read(self, county: Lancashire) -> None:
        """Half of what is known of somebody looks like somebody left alone."""
        class Halfway(Worker):
            async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]
                              ) -> dict[int, int]:
                for partition in starts:
                    for key, value in dict(reversed(self.kafka.changelog[partition])).items():   # the oldest of each
                        take(partition, key, value)
                reading.set()
                await go_on.wait()
                return await super().restore(starts, take)

        reading, go_on = asyncio.Event(), asyncio.Event()
        await county.start()
        await county.hear(person(supported_since="2024-02-10"))
        await county.hear(seen("2024-02-19"))
        county.clock.advance(timedelta(days=21))   # four weeks after the first, and not yet after the second
        worker = Halfway(county.kafka, county.rules, county.clock)
        taking_over = asyncio.create_task(worker.own_all())
        await reading.wait()
        ticking = asyncio.create_task(worker.monitor.run())
        await asyncio.sleep(0.2)   # four ticks
        assert worker.monitor.not_ready()
        go_on.set()
        await taking_over
        await worker.run_dry()
        while not ticking.done():
            ticking.cancel()
            await asyncio.sleep(0)
        assert county.published == 0
        await county.start()
        await county.pass_time(days=8)
        assert county.published == 1, "and now it is so"

    def test_the_app_has_no_timers_of_its_own(self, wired: Wired) -> None:
        assert [task.__name__ for task in wired.app._app_tasks] == ["write", "watch"]


class TestAsConfigured:
    """What the app that the service runs is told."""

    def test_one_at_work_on_one_topic(self, wired: Wired) -> None:
        assert wired.agent.concurrency == 1
        assert list(wired.agent.channel.topics) == [EVENTS]

    def test_nothing_else_is_subscribed_to(self, wired: Wired) -> None:
        """So the members of a group always agree, whatever version they are."""
        conf = wired.app.conf
        assert conf.topic_disable_leader is True
        assert not wired.app.tables.changelog_topics
        assert (conf.id, conf.version) == (MonitorSettings().app_id, 1)

    def test_commits_go_by_what_is_durable(self, wired: Wired) -> None:
        consumer: Any = wired.app.transport.Consumer
        assert issubclass(consumer, BatchConsumer)
        assert consumer.handover is wired.handover
        scheduler: Any = wired.app.conf.ConsumerScheduler
        assert scheduler.handover is wired.handover

    def test_state_is_in_no_table_of_fausts_and_so_in_no_standby(self, wired: Wired) -> None:
        assert not dict(wired.app.tables)

    def test_a_killed_worker_is_missed_in_ten_seconds(self, wired: Wired) -> None:
        conf = wired.app.conf
        assert conf.broker_session_timeout == 10
        assert conf.broker_heartbeat_interval <= 10 / 3

    def test_nobody_can_ask_it_for_anything(self, wired: Wired) -> None:
        assert wired.app.conf.web_enabled is False
        assert wired.app.conf.worker_redirect_stdouts is False
        assert not wired.app.conf.loghandlers

    def test_none_of_what_is_half_built_is_used(self, wired: Wired) -> None:
        conf = wired.app.conf
        assert str(conf.processing_guarantee) == str(ProcessingGuarantee.AT_LEAST_ONCE)
        assert conf.producer_threaded is False
        assert conf.store.scheme == "memory"

    def test_a_worker_makes_no_topic(self, wired: Wired) -> None:
        assert wired.app.conf.topic_allow_declare is False

    def test_a_batch_is_bounded_and_few_wait(self, wired: Wired) -> None:
        conf = wired.app.conf
        assert conf.broker_max_poll_records == 2_000
        assert conf.stream_buffer_maxsize == 16

    def test_partitions_go_when_the_batch_in_hand_is_folded(self, wired: Wired) -> None:
        """And a long restore is no reason to lose them."""
        assert wired.app.conf.stream_wait_empty is True
        assert wired.app.conf.broker_max_poll_interval >= 3_600


class TestTopics:
    @pytest.mark.parametrize(("counts", "words"), [
        ({EVENTS: 0}, "Kafka has no topic care.events.v1: create the topics first"),
        ({ALERTS: 0}, "Kafka has no topic care.alerts.v1"), ({DEAD_LETTERS: 0}, "Kafka has no topic care.dead-letters.v1"),
        ({"app-people-changelog": 0}, "Kafka has no topic app-people-changelog"),
        ({"app-people-changelog": 6}, "app-people-changelog has 6 partitions and care.events.v1 12")])
    def test_that_do_not_fit_are_told_at_the_start(self, counts: dict[str, int], words: str,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
        there = {EVENTS: 12, ALERTS: 6, DEAD_LETTERS: 3, "app-people-changelog": 12} | counts
        monkeypatch.setattr(kafka_runtime, "consumer", lambda _: SimpleNamespace(
            partitions_for_topic=lambda name: set(range(there[name])) or None, close=lambda: None))
        with pytest.raises(UserError, match=words):
            check_topics(KafkaSettings(), "app")

    def test_that_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kafka_runtime, "consumer", lambda _: SimpleNamespace(
            partitions_for_topic=lambda name: {0, 1}, close=lambda: None))
        assert check_topics(KafkaSettings(), "app") == Layout(2, 2, 2)
