"""Partitions that come and go, writes that are cut off, and what a worker may commit: nothing lost, nothing invented."""
from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import pytest

from keepintouch.standards import stored
from keepintouch.standards.person import Person
from services.contact_monitor import monitor as module
from services.contact_monitor.monitor import BatchLost, SleptTooLong
from services.contact_monitor.records import Writes
from services.contact_monitor.state import StateRecord

from .events import REF, erased, in_bed_and_breakfast, manifest, person, seen, void
from .memory_kafka import Fenced, Killed, MemoryKafka, Step, Worker
from .test_monitor import Lancashire, county, live

__all__ = ["county"]   # the fixture


class Gate(Worker):
    """A worker whose writes wait until they are let through."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self.order: list[tuple[int, str]] = []

    async def write_findings(self, partition: int, writes: Writes, now: datetime) -> None:
        self.reached.set()
        await self.open.wait()
        self.order.append((partition, "findings"))
        await super().write_findings(partition, writes, now)

    async def write_states(self, partition: int, records: Iterable[StateRecord]) -> int:
        self.order.append((partition, "states"))
        return await super().write_states(partition, records)

    async def commit(self, partition: int) -> None:
        assert partition not in self.handover.durable, "no offset may be committed before"
        self.order.append((partition, "commit"))
        await super().commit(partition)


class Restoring(Worker):
    """A worker whose restore does not come to its end, until told otherwise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.started, self.at_once = asyncio.Event(), False

    async def restore(self, starts: Mapping[int, int], take: Callable[[int, bytes, bytes | None], None]) -> dict[int, int]:
        self.started.set()
        found = await super().restore(starts, take)
        if not self.at_once:
            await asyncio.Event().wait()
        return found


async def gated(county: Lancashire, *events: dict[str, Any]) -> tuple[Gate, asyncio.Task[None]]:
    """A worker that is in the middle of writing what these events led to."""
    for each in events:
        county.kafka.send(each)
    worker = Gate(county.kafka, county.rules, county.clock)
    await worker.own_all()
    await worker.poll_all()
    writing = asyncio.create_task(worker.monitor.round())
    await worker.reached.wait()
    return worker, writing


@live
async def test_findings_then_states_then_both_hold_then_the_offset(county: Lancashire) -> None:
    worker, writing = await gated(county, person())
    assert not worker.handover.durable
    worker.open.set()
    await writing
    assert sorted(worker.order, key=lambda step: step[0]) == [
        (p, step) for p in range(county.kafka.partitions) for step in ("findings", "states", "commit")]
    assert worker.handover.durable == {p: len(log) for p, log in enumerate(county.kafka.events)}


@live
async def test_partitions_go_only_after_the_write_that_is_under_way(county: Lancashire) -> None:
    worker, writing = await gated(county, person())
    going = asyncio.create_task(worker.monitor.revoke())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not going.done()
    worker.open.set()
    await asyncio.gather(going, writing)
    assert county.alert().status == "open"
    assert worker.handover.durable == {}, "the next owner reads it again: no harm"
    before = county.published, county.states_written
    await worker.monitor.round()
    assert (county.published, county.states_written) == before, "and nothing is written afterwards"


@live
async def test_partitions_may_go_while_they_are_being_taken_over(county: Lancashire) -> None:
    await county.start()
    await county.hear(person())
    worker = Restoring(county.kafka, county.rules, county.clock)

    async def guard(work: Any) -> None:
        await work

    await worker.monitor.assign({0, 1}, guard)
    await worker.started.wait()
    assert worker.monitor.not_ready() == ["no_partitions_assigned_yet"]
    await asyncio.wait_for(worker.monitor.revoke(), 60)
    worker.at_once = True
    await worker.own_all()
    await worker.run_dry()
    assert worker.monitor.not_ready() == []
    assert county.alert().sequence == 1


@live
async def test_a_worker_with_no_partitions_is_ready(county: Lancashire) -> None:
    worker = Worker(county.kafka, county.rules, county.clock)
    assert worker.monitor.not_ready() == ["no_partitions_assigned_yet"]
    await worker.own()
    assert worker.monitor.not_ready() == []
    await worker.monitor.round()
    await worker.own_all()
    assert worker.monitor.not_ready() == ["catching_up"], "until its first round has looked"
    await worker.monitor.round()
    assert worker.monitor.not_ready() == []


@live
async def test_partitions_that_nobody_looks_after_make_a_worker_unwell(
        county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, writing = await gated(county, person())
    assert worker.monitor.unwell() == []
    monkeypatch.setattr(module, "_STUCK_AFTER", 0.0)
    assert worker.monitor.unwell() == ["partitions_not_looked_after"], "it has been writing for ever"
    worker.open.set()
    await writing
    await worker.monitor.revoke()
    assert worker.monitor.unwell() == [], "who has no partitions need not look after any"


@live
async def test_what_was_fetched_before_partitions_went_is_void(county: Lancashire) -> None:
    """Faust may hand on a batch of an earlier assignment; folding it would skip what comes before it."""
    worker = await county.start()
    county.kafka.send(person())
    late = {p: worker.handover.hand_on(p, log) for p, log in enumerate(county.kafka.events) if log}
    await worker.own_all()
    for partition, fetched in late.items():
        await worker.monitor.fold(partition, fetched)
    await worker.rest()
    assert county.published == 0
    await worker.run_dry()
    assert county.published == 1


@live
async def test_a_batch_that_went_missing_stops_the_worker(county: Lancashire) -> None:
    worker = await county.start()
    for each in (person(), seen("2024-02-10"), seen("2024-02-11")):
        county.kafka.send(each)
    ((partition, log),) = [(p, log) for p, log in enumerate(county.kafka.events) if log]
    await worker.monitor.fold(partition, worker.handover.hand_on(partition, log[:1]))
    worker.handover.hand_on(partition, log[1:2])
    with pytest.raises(BatchLost):
        await worker.monitor.fold(partition, worker.handover.hand_on(partition, log[2:]))


@live
async def test_a_repeated_batch_changes_nothing(county: Lancashire) -> None:
    worker = await county.start()
    await county.hear(person(), seen("2024-02-10"))
    before = county.published, county.states_written
    for partition, log in enumerate(county.kafka.events):
        if log:
            await worker.monitor.fold(partition, worker.handover.hand_on(partition, log))
    await worker.run_dry()
    assert (county.published, county.states_written) == before
    assert worker.handover.durable == {p: len(log) for p, log in enumerate(county.kafka.events)}


@live
async def test_folding_waits_for_writing_when_it_is_far_ahead(county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_UNWRITTEN", 2)
    county.kafka = MemoryKafka(partitions=1)
    worker = await county.start()
    for number in range(5):
        county.kafka.send(person(f"lancashire:p{number}"))
    folding = asyncio.create_task(worker.poll_all())
    await asyncio.sleep(0.12)
    assert not folding.done()
    await worker.monitor.round()
    await asyncio.wait_for(folding, 60)
    for number in range(5, 12):
        county.kafka.send(person(f"lancashire:p{number}"))
    folding = asyncio.create_task(worker.poll_all())
    await asyncio.sleep(0.06)
    await asyncio.wait_for(worker.monitor.revoke(), 60)
    await asyncio.wait_for(folding, 60)   # or a rebalance would wait for ever


@live
async def test_what_waits_weighs_what_its_people_take(county: Lancashire) -> None:
    worker = await county.start()
    await county.hear(person(), *(seen("2024-02-10", record_id=f"v{n}") for n in range(300)))
    assert worker.monitor._unwritten == 0
    county.kafka.send(seen("2024-02-11", record_id="v300"))
    await worker.poll_all()
    assert 300 < worker.monitor._unwritten < 400
    await worker.run_dry()
    assert worker.monitor._unwritten == 0


@live
async def test_a_stop_writes_what_was_folded_and_nothing_more(county: Lancashire) -> None:
    worker = await county.start()
    county.kafka.send(person())
    await worker.poll_all()
    await worker.monitor.stop()
    worker.commit_offsets()
    assert county.alert().status == "open"
    assert county.kafka.committed == {p: len(log) for p, log in enumerate(county.kafka.events)}
    county.kafka.send(in_bed_and_breakfast("2024-02-10"))
    await worker.poll_all()
    await worker.rest()
    assert county.published == 1


@live
async def test_a_stop_does_not_wait_for_ever(county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_WRITE", 0.05)
    worker = Gate(county.kafka, county.rules, county.clock)
    await worker.own_all()
    county.kafka.send(person())
    await worker.poll_all()
    await asyncio.wait_for(worker.monitor.stop(), 60)
    assert worker.handover.durable == {}


@pytest.mark.parametrize("step", Step)
@live
async def test_a_crash_leaves_all_of_a_write_or_nothing(county: Lancashire, step: Step) -> None:
    """Wherever it comes, it is as if it had not come."""
    await county.start()
    await county.hear(person())
    county.worker.kill_at = step
    for event in (b"{", seen("2024-02-10", record_id="r1"), person("lancashire:p002")):
        county.kafka.send(event)
    await county.worker.poll_all()
    with pytest.raises(Killed):
        await county.worker.rest()
    await county.start()
    await county.worker.run_dry()
    assert (county.alert_of(REF).status, county.alert_of(REF).sequence) == ("cleared", 2)
    assert (county.alert_of("lancashire:p002").status, county.alert_of("lancashire:p002").sequence) == ("open", 1)
    assert county.published == 3, "nothing is said twice"
    assert len(county.kafka.dead_letters) == 1
    await county.hear(void("r1", "2024-02-20T11:00:00Z"))
    assert (county.alert_of(REF).status, county.alert_of(REF).sequence, county.alert_of(REF).mode) == ("open", 3, "backfill")


@live
async def test_what_changes_while_a_worker_is_away_is_judged_as_a_whole(county: Lancashire) -> None:
    """An alert that was never shown, of someone erased meanwhile, needs no tombstone; it was never there."""
    worker = await county.start()
    worker.kill_at = Step.STATES
    county.kafka.send(person())
    await worker.poll_all()
    with pytest.raises(Killed):
        await worker.rest()
    county.kafka.send(erased("2024-02-20T11:00:00Z"))
    await county.start()
    await county.worker.run_dry()
    assert county.published == 0


@live
async def test_a_worker_that_wakes_up_when_others_have_its_partitions_writes_nothing(county: Lancashire) -> None:
    """It was paused with a write begun; meanwhile another has taken over, and a visit has been typed up."""
    paused, writing = await gated(county, person())
    await county.start()
    await county.worker.run_dry()
    await county.hear(seen("2024-02-19"))
    paused.open.set()
    with pytest.raises(Fenced):
        await writing
    assert (county.alert().status, county.alert().sequence) == ("cleared", 2)
    before = county.kafka.people()[REF]
    await county.start()
    await county.worker.run_dry()
    assert stored.dump(county.kafka.people()[REF]) == stored.dump(before)


@live
async def test_a_worker_that_slept_for_hours_ends(county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might not learn any more who was erased meanwhile: tombstones go after a day."""
    now = 0.0
    monkeypatch.setattr(module, "_wall_clock", lambda: now)
    worker = await county.start()
    running = asyncio.create_task(worker.monitor.run())
    await asyncio.sleep(0)   # it has begun
    now = 6 * 3600 + 1
    with pytest.raises(SleptTooLong):
        await asyncio.wait_for(running, 60)


@live
async def test_a_partition_where_nothing_happens_is_written_to_once_a_day(
        county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = list[int]()

    class Noting(Worker):
        async def commit(self, partition: int) -> None:
            committed.append(partition)
            await super().commit(partition)

    worker = Noting(county.kafka, county.rules, county.clock)
    await worker.own_all()
    await worker.rest()
    committed.clear()
    await worker.rest()
    assert not committed
    monkeypatch.setattr(module, "_QUIET_AT_MOST", 0.0)   # as if a day had passed
    await worker.monitor.round()
    assert sorted(committed) == [0, 1]


@live
async def test_a_changelog_lost_altogether_is_survived(county: Lancashire) -> None:
    await county.start(feeds=["visits"])
    await county.hear(b"{", person(), in_bed_and_breakfast("2024-02-10"), manifest("2024-02-19"))
    await county.hear(person("lancashire:p002"), seen("2024-02-19", "lancashire:p002"))
    await county.hear(person(recorded_at="2024-02-19T10:00:00Z"))   # out of bed and breakfast
    await county.pass_time(days=40)
    await county.hear(manifest("2024-03-30"))
    before = {key: (a.status, a.sequence, a.mode, a.detected_at) for key, a in county.kafka.newest_alerts().items()}
    assert sorted((status, mode) for status, _, mode, _ in before.values()) == [
        ("cleared", "backfill"), ("open", "backfill"), ("open", "live")]
    letters = len(county.kafka.dead_letters)
    county.kafka.changelog = [[] for _ in range(county.kafka.partitions)]
    await county.start()
    await county.worker.run_dry()
    assert {key: (a.status, a.sequence, a.mode, a.detected_at) for key, a in county.kafka.newest_alerts().items()} == before
    assert len(county.kafka.dead_letters) == letters
    (key,) = [key for key, a in county.kafka.open_alerts().items() if a.person_ref == REF]
    await county.hear(seen("2024-03-30"))
    assert county.kafka.newest_alerts()[key].sequence == before[key][1] + 1
    await county.start()
    await county.worker.run_dry()
    written = county.states_written
    await county.start()
    await county.worker.run_dry()
    assert county.states_written == written, "it is lost once, not at every start"


@live
async def test_without_state_what_is_open_and_no_longer_holds_is_ended(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), person("lancashire:p002"))
    county.kafka.changelog = [[] for _ in range(county.kafka.partitions)]
    county.kafka.events = [[r for r in log if r.key != REF.encode()] for log in county.kafka.events]   # older than its retention
    county.kafka.committed = {p: len(log) for p, log in enumerate(county.kafka.events)}
    await county.start()
    await county.worker.run_dry()
    assert (county.alert_of(REF).status, county.alert_of(REF).end_reason) == ("cleared", "no_longer_applies")
    assert county.alert_of("lancashire:p002").status == "open"



@live
async def test_who_was_decoded_goes_with_their_partition(county: Lancashire) -> None:
    """The garbage collector hardly ever looks at what has lived long: partitions that came and went would fill the memory."""
    def decoded() -> int:
        return sum(isinstance(each, Person) for each in gc.get_objects())

    gc.collect()
    before = decoded()
    for each in (person(), seen("2024-02-10")):
        county.kafka.send(each)
    worker = Worker(county.kafka, county.rules, county.clock)
    await worker.own_all()
    await worker.poll_all()
    await worker.monitor.round()
    assert decoded() > before
    gc.disable()
    try:
        await worker.monitor.revoke()
        assert decoded() == before
    finally:
        gc.enable()
