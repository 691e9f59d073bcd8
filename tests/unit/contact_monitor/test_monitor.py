"""What a monitor says of young lives, and when: modes, first evaluations, feeds, midnight, erasure, councils that leave."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from keepintouch.runtime.clock import ManualClock
from schemas.alerts import Alert
from services.contact_monitor.rulebook import Rulebook

from .events import REF, a_policy, erased, in_bed_and_breakfast, manifest, person, seen, void
from .memory_kafka import MemoryKafka, Worker, rulebook

NOON = datetime(2024, 2, 20, 12, tzinfo=UTC)
"""Seven weeks after support began."""


def live(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))
    return run


class Lancashire:
    """One council's monitor, a Kafka and a clock, which outlive its workers."""

    def __init__(self, folder: Path, settle: float = 0.0) -> None:
        self.folder, self.settle = folder, settle
        self.kafka, self.clock, self.real = MemoryKafka(), ManualClock(NOON), 0.0
        self.rules: Rulebook = rulebook(a_policy(folder), "lancashire")

    async def start(self, **policy: Any) -> Worker:
        """A new worker, from nothing but what is on the topics; under another policy if one is told."""
        if policy:
            self.rules = rulebook(a_policy(self.folder, **policy), "lancashire")
        self.worker = Worker(self.kafka, self.rules, self.clock, self.settle, self.real)
        await self.worker.own_all()
        return self.worker

    async def hear(self, *events: dict[str, Any] | bytes) -> None:
        """Events come in, and everything comes to rest."""
        for each in events:
            self.kafka.send(each)
        await self.worker.run_dry()

    async def pass_time(self, **span: float) -> None:
        """Time goes on and everything comes to rest."""
        self.clock.advance(timedelta(**span))
        await self.worker.run_dry()

    def alert(self, rule: str = "visit_overdue") -> Alert:
        """The one alert of a rule there is."""
        (found,) = [alert for alert in self.kafka.newest_alerts().values() if alert.rule == rule]
        return found

    def alert_of(self, ref: str) -> Alert:
        """The newest alert about somebody."""
        return max((a for a in self.kafka.newest_alerts().values() if a.person_ref == ref), key=lambda a: a.anchor_on)

    @property
    def published(self) -> int:
        return sum(map(len, self.kafka.alerts))

    @property
    def states_written(self) -> int:
        return sum(map(len, self.kafka.changelog))


@pytest.fixture
def county(tmp_path: Path) -> Lancashire:
    return Lancashire(tmp_path)


@live
async def test_what_is_found_at_first_is_backfill_and_what_comes_about_later_is_live(county: Lancashire) -> None:
    await county.start()
    await county.hear(person())
    alert = county.alert()
    assert (alert.mode, alert.status, alert.sequence, str(alert.opens_on)) == ("backfill", "open", 1, "2024-01-30")
    await county.hear(seen("2024-02-20"))
    assert (county.alert().status, county.alert().end_reason, county.alert().mode) == ("cleared", "done", "backfill")
    await county.pass_time(days=29)
    first, second = sorted(county.kafka.newest_alerts().values(), key=lambda a: a.anchor_on)
    assert (first.status, second.status, second.mode, str(second.opens_on)) == ("cleared", "open", "live", "2024-03-20")


@live
async def test_after_downtime_what_came_due_is_live_and_dated_at_its_true_day(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-19"))
    county.clock.advance(timedelta(days=60))
    await county.start()
    await county.worker.run_dry()
    alert = county.alert()
    assert (alert.mode, str(alert.opens_on), alert.detected_at) == ("live", "2024-03-19", county.clock.instant)


@live
async def test_what_opened_and_ended_unseen_is_not_published(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-19"))
    county.clock.advance(timedelta(days=60))
    county.kafka.send(seen("2024-04-10"))
    await county.start()
    await county.worker.run_dry()
    assert county.published == 0


@live
async def test_nothing_is_evaluated_before_everything_is_read(county: Lancashire) -> None:
    for each in (person(), seen("2024-02-01"), seen("2024-02-19")):
        county.kafka.send(each)
    worker = await county.start()
    for partition in worker.position:
        await worker.poll(partition, most=2)
    await worker.rest()
    assert worker.monitor.not_ready() == ["catching_up"]
    assert county.published == 0
    await worker.run_dry()
    assert worker.monitor.not_ready() == []
    assert county.published == 0


@live
async def test_another_policy_version_publishes_open_alerts_once_and_finds_the_rest_as_backfill(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), person("lancashire:p002"), seen("2024-02-19", "lancashire:p002"))
    assert county.published == 1
    await county.start(version=2, weeks=0)
    await county.worker.run_dry()
    old, new = sorted(county.kafka.open_alerts().values(), key=lambda a: a.person_ref)
    assert (old.sequence, old.mode, old.policy.version) == (2, "backfill", 2)
    assert (new.sequence, new.mode, new.person_ref) == (1, "backfill", "lancashire:p002")
    await county.start()
    await county.worker.run_dry()
    assert county.published == 3
    await county.hear(in_bed_and_breakfast("2024-02-19", "lancashire:p002"))
    assert county.alert("bed_and_breakfast").mode == "live"


@live
async def test_an_edit_without_a_new_version_is_noticed_at_the_next_start(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-10"))
    assert county.published == 0
    await county.start(weeks=1)
    await county.worker.run_dry()
    assert county.alert().mode == "live"


@live
async def test_nothing_is_written_at_a_start_that_changes_nothing(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-19"), person("lancashire:p002"), manifest("2024-02-19"))
    before = county.states_written, county.published
    await county.start()
    await county.worker.run_dry()
    county.kafka.committed.clear()   # everything is read again
    await county.start()
    await county.worker.run_dry()
    assert county.published == before[1]
    newest = [dict(log) for log in county.kafka.changelog]
    await county.start()
    await county.worker.run_dry()
    assert [dict(log) for log in county.kafka.changelog] == newest


@live
async def test_a_new_person_is_evaluated_once_no_event_has_come_for_a_while(tmp_path: Path) -> None:
    county = Lancashire(tmp_path, settle=60)
    worker = await county.start()
    await county.hear(person())
    worker.real += 59
    repeat = person(recorded_at="2024-01-04T10:00:00Z")   # an old snapshot changes nothing, but it shows that more may come
    await county.hear(repeat)
    worker.real += 59
    await county.hear()
    assert county.published == 0
    written = county.states_written
    for _ in range(10):
        await worker.monitor.round()
    assert county.states_written == written, "who settles is not written again and again"
    worker.real += 1
    await county.hear()
    assert county.alert().mode == "backfill"
    await county.hear(in_bed_and_breakfast("2024-02-19"))
    assert county.alert("bed_and_breakfast").mode == "live", "who is known does not wait"


@live
async def test_settling_begins_anew_with_a_new_worker(tmp_path: Path) -> None:
    county = Lancashire(tmp_path, settle=60)
    await county.start()
    await county.hear(person())
    worker = await county.start()
    await county.hear()
    worker.real += 59
    await county.hear()
    assert county.published == 0
    worker.real += 1
    await county.hear()
    assert county.published == 1


@live
async def test_a_rule_that_was_unknown_for_want_of_a_feed_is_backfill_when_first_known(county: Lancashire) -> None:
    await county.start(feeds=["visits"])
    await county.hear(person(), in_bed_and_breakfast("2024-01-15"))
    assert [a.rule for a in county.kafka.open_alerts().values()] == ["bed_and_breakfast"], "a rule without needs needs no feed"
    await county.hear(manifest("2024-01-28"))
    assert county.published == 1, "the feed must be complete through the due day"
    await county.hear(manifest("2024-01-29"))
    assert (county.alert().mode, str(county.alert().opens_on)) == ("backfill", "2024-01-30")
    await county.hear(seen("2024-02-20"), manifest("2024-02-19"))
    await county.pass_time(days=40)
    assert len(county.kafka.open_alerts()) == 1
    await county.hear(manifest("2024-03-30"))
    newest = max(county.kafka.open_alerts().values(), key=lambda a: a.anchor_on)
    assert (newest.rule, newest.mode) == ("visit_overdue", "live")


@live
async def test_a_manifest_read_while_catching_up_wakes_who_waits_for_it(county: Lancashire) -> None:
    await county.start(feeds=["visits"])
    await county.hear(person(), manifest("2024-01-20"))
    county.kafka.send(manifest("2024-02-19"))
    await county.start()
    await county.worker.run_dry()
    assert county.alert().status == "open"


@live
async def test_a_manifest_wakes_whoever_was_just_found_to_wait_for_it(county: Lancashire) -> None:
    """As in the minute of a nightly extract: a record and, before what it led to was written, the manifest."""
    worker = await county.start(feeds=["visits"])
    await county.hear(person())
    county.kafka.send(person(recorded_at="2024-01-06T10:00:00Z", need="enhanced"))
    await worker.poll_all()
    written = county.states_written
    await worker.look()
    assert county.states_written == written
    await county.hear(manifest("2024-02-19"))
    assert county.alert().status == "open"


@live
async def test_a_worker_that_goes_between_a_manifest_and_who_waits_for_it_is_made_up_for(
        county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await county.start(feeds=["visits"])
    await county.hear(person())
    with monkeypatch.context() as slow:
        slow.setattr("services.contact_monitor.monitor.MOST_EVALUATED", 0)   # as if many stood before them in the queue
        await county.hear(manifest("2024-02-19"))
    assert county.published == 0
    await worker.own_all()   # a rebalance that leaves everything where it is
    await worker.run_dry()
    assert county.alert().status == "open"


@live
async def test_a_manifest_is_forgotten_with_what_was_not_written(county: Lancashire) -> None:
    worker = await county.start(feeds=["visits"])
    await county.hear(person())
    county.kafka.send(manifest("2024-02-19"))
    await worker.poll_all()
    await worker.own_all()        # before anything of it was written
    await worker.run_dry()
    county.kafka.committed = {p: len(log) for p, log in enumerate(county.kafka.events)}
    await county.start()
    await county.hear(seen("2024-02-01"))
    await county.pass_time(days=7)
    assert county.alert().status == "cleared", "the mark was written after all"


@live
async def test_a_council_that_requires_another_feed_is_evaluated_anew(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-19"))
    county.rules = rulebook(a_policy(county.folder), "lancashire", feeds=["visits"])
    await county.start()
    await county.worker.run_dry()
    await county.pass_time(days=40)
    assert county.published == 0
    await county.hear(manifest("2024-03-30"))
    assert county.alert().mode == "live", "the rule was known under the other feeds already"


@live
@pytest.mark.parametrize("midnight", ["2024-03-19T00:00:00+00:00", "2024-06-19T00:00:00+01:00"])
async def test_it_opens_at_londons_midnight_with_no_event(county: Lancashire, midnight: str) -> None:
    at = datetime.fromisoformat(midnight)
    county.clock.instant = at - timedelta(days=10)
    await county.start()
    await county.hear(person(), seen((at - timedelta(days=29)).date().isoformat()))
    county.clock.instant = at - timedelta(seconds=1)
    await county.worker.run_dry()
    assert county.published == 0
    county.clock.instant = at
    await county.worker.run_dry()
    assert (county.alert().opens_on, county.alert().mode) == (at.date(), "live")


@live
async def test_a_void_that_takes_a_visit_away_withdraws_what_it_had_cleared_and_opens_what_it_had_prevented(
        county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), seen("2024-02-19", record_id="r1"))
    await county.hear(void("r1", "2024-02-20T11:00:00Z"))
    assert (county.alert().mode, county.alert().status) == ("live", "open")
    await county.hear(seen("2024-01-20", recorded_at="2024-02-20T11:30:00Z"))
    first, second = sorted(county.kafka.newest_alerts().values(), key=lambda a: a.anchor_on)
    assert (first.status, first.end_reason, first.recording_lag_days, first.sequence) == ("withdrawn", "recorded_late", 31, 2)
    assert (second.status, str(second.anchor_on)) == ("open", "2024-01-20")


@live
async def test_an_erasure_leaves_tombstones_and_nothing_else(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), in_bed_and_breakfast("2024-01-10"))
    await county.hear(seen("2024-02-19"))
    assert {a.status for a in county.kafka.newest_alerts().values()} == {"open", "cleared"}
    await county.hear(erased("2024-02-20T11:00:00Z"))
    assert county.kafka.newest_alerts() == {}
    stub = county.kafka.people()[REF]
    assert (stub.facts, stub.registers, stub.ledger, stub.workers) == (None, {}, None, [])
    await county.hear(seen("2024-02-18"), person(recorded_at="2024-02-20T11:00:00Z", team_ref="late"))
    assert county.kafka.newest_alerts() == {}, "what was recorded before it is forgotten, whenever it comes"
    await county.hear(person(recorded_at="2024-02-20T11:00:01Z"))
    assert (county.alert().sequence, county.alert().mode) == (1, "backfill")


@live
async def test_of_someone_erased_the_ref_is_kept_for_400_days(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), erased("2024-02-20T11:00:00Z"))
    await county.pass_time(days=399)
    await county.start()
    await county.worker.run_dry()
    assert REF in county.kafka.people()
    await county.pass_time(days=1)
    assert county.kafka.people() == {}


@live
async def test_an_erasure_recorded_long_ago_holds_all_the_same(county: Lancashire) -> None:
    """It is no use to forget at once that somebody was to be forgotten; nor must it stop the worker."""
    await county.start()
    await county.hear(erased("2022-01-01T00:00:00Z"))
    await county.hear(person(recorded_at="2021-12-31T00:00:00Z"))
    assert county.published == 0
    await county.pass_time(days=400)
    assert county.kafka.people() == {}


@live
async def test_a_council_that_left_the_file_has_its_alerts_cleared_and_after_400_days_forgotten(county: Lancashire) -> None:
    await county.start()
    await county.hear(person())
    mine, county.rules = county.rules, rulebook(a_policy(county.folder), "essex")
    await county.start()
    await county.worker.run_dry()
    assert (county.alert().status, county.alert().end_reason, county.alert().sequence) == ("cleared", "no_longer_applies", 2)
    await county.hear(seen("2024-02-20"))
    assert [letter.refused.reason for letter in county.kafka.dead_letters] == ["unknown_council"]
    county.rules = mine
    await county.start()
    await county.worker.run_dry()
    assert (county.alert().status, county.alert().sequence, county.alert().mode) == ("open", 3, "backfill")
    county.rules = rulebook(a_policy(county.folder), "essex")
    await county.start()
    await county.worker.run_dry()
    await county.pass_time(days=399)
    assert county.alert().status == "cleared"
    await county.pass_time(days=1)
    assert county.kafka.newest_alerts() == {}


@live
async def test_a_council_that_left_is_unknown_also_where_its_alerts_are_all_that_is_left(county: Lancashire) -> None:
    await county.start()
    await county.hear(person())
    county.kafka.changelog = [[] for _ in range(county.kafka.partitions)]
    county.rules = rulebook(a_policy(county.folder), "essex")
    county.kafka.send(seen("2024-02-19"))
    await county.start()
    await county.worker.run_dry()
    assert [letter.refused.reason for letter in county.kafka.dead_letters] == ["unknown_council"]
    assert county.alert().status == "cleared"


@live
async def test_an_ended_alert_is_remembered_for_400_days(county: Lancashire) -> None:
    await county.start()
    await county.hear(person(), in_bed_and_breakfast("2024-02-10"), seen("2024-02-19"))
    await county.hear(person(recorded_at="2024-02-20T10:00:00Z", category="none"))
    assert county.alert("bed_and_breakfast").status == "cleared"
    await county.pass_time(days=400)
    assert county.kafka.newest_alerts() == {}


@live
async def test_records_beyond_a_persons_limit_are_counted(county: Lancashire, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("contact_monitor_records_let_go_total") or 0

    monkeypatch.setattr("keepintouch.standards.person.REGISTER_LIMIT", 3)
    before = counted()
    await county.start()
    await county.hear(person(), *(seen(f"2024-02-{day:02}") for day in range(10, 14)))
    assert counted() == before + 1
    await county.hear(seen("2024-02-14"), person("lancashire:p002"))
    assert counted() == before + 2, "each once"


@live
async def test_records_before_the_snapshot_wait_for_it(county: Lancashire) -> None:
    await county.start()
    await county.hear(seen("2024-01-02"))
    assert county.published == 0
    await county.hear(person())
    assert (str(county.alert().anchor_on), county.alert().mode) == ("2024-01-02", "backfill")


@live
async def test_poison_does_not_stop_the_stream(county: Lancashire) -> None:
    await county.start()
    await county.hear(b"", b"{", b"null", {"specversion": "2"}, person(), person("essex:p1"), seen("2024-02-22"))
    assert sorted(letter.refused.reason for letter in county.kafka.dead_letters) == [
        "future", "not_cloudevent", "not_cloudevent", "not_json", "not_json", "unknown_council"]
    assert county.alert().status == "open"
