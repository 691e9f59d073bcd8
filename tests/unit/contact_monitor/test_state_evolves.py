"""State that another version wrote: an earlier one's is read and gone on from, a later one's is refused in one line.

`state_before_positions.json` is what a monitor of November 2026 left on its topics, before a partition's state said up to which
event it is whole: it had a record `@alerts` where there is `@position` today. The people in it are of version 1.
"""
from __future__ import annotations

import asyncio
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.runtime.clock import ManualClock
from keepintouch.standards import stored
from keepintouch.standards.person import Person
from schemas.events import Feed
from services.contact_monitor import main
from services.contact_monitor.state import PartitionState, StateRecord

from .events import REF, a_policy, manifest, person, seen
from .memory_kafka import MemoryKafka, Record, rulebook
from .test_monitor import Lancashire, county, live

__all__ = ["county"]   # the fixture

BEFORE: dict[str, Any] = json.loads((Path(__file__).parent / "state_before_positions.json").read_text())
NOW = datetime.fromisoformat(BEFORE["now"])


def changelog() -> list[list[StateRecord]]:
    return [[(key.encode(), value and bytes.fromhex(value)) for key, value in log] for log in BEFORE["changelog"]]


PEOPLE = {key: value for log in changelog() for key, value in log
          if value is not None and not key.startswith((b"@", b"feed:"))}


def events() -> list[tuple[bytes, bytes]]:
    return [(key.encode(), value.encode()) for log in BEFORE["events"] for key, value in log]


@pytest.fixture
def left(tmp_path: Path) -> Lancashire:
    """A council whose topics are as that monitor left them."""
    found = Lancashire(tmp_path)
    found.clock, found.rules = ManualClock(NOW), rulebook(a_policy(tmp_path, feeds=BEFORE["feeds"]), "lancashire")
    kafka = found.kafka = MemoryKafka(partitions=len(BEFORE["events"]))
    kafka.events = [[Record(p, offset, key.encode(), value.encode()) for offset, (key, value) in enumerate(log)]
                    for p, log in enumerate(BEFORE["events"])]
    kafka.committed = dict(enumerate(BEFORE["committed"]))
    kafka.changelog = changelog()
    kafka.alerts = [[(key.encode(), value and value.encode()) for key, value in log] for log in BEFORE["alerts"]]
    return found


def folded() -> dict[bytes, Person]:
    """Everybody as the events alone have them."""
    people = dict[bytes, Person]()
    for key, value in events():
        result = accept_event(value, key, (), NOW, frozenset({"lancashire"}))
        if isinstance(result, Accepted) and not isinstance(result.data, Feed):
            people.setdefault(key, Person()).fold(result.event_id, result.data)
    return people


def test_people_of_version_1_are_read() -> None:
    """These bytes are never to change: there are topics full of them."""
    everybody = folded()
    assert PEOPLE.keys() == everybody.keys()
    for key, form in PEOPLE.items():
        assert form[0] == 1
        held, said = stored.load(form), everybody[key]
        assert (held.facts, held.erased_at) == (said.facts, said.erased_at)
        assert [(r.record_id, r.event_id, r.recorded_at, r.occurred_at, r.kind, held.worker(r)) for r in held.in_order()] == [
            (r.record_id, r.event_id, r.recorded_at, r.occurred_at, r.kind, said.worker(r)) for r in said.in_order()]
    rich, moved = stored.load(PEOPLE[b"lancashire:p003"]), stored.load(PEOPLE[REF.encode()])
    assert rich.ledger is not None
    assert moved.ledger is not None
    assert [(e.rule, e.sequence, e.mode, e.evidence.record_ids) for e in rich.ledger.open] == [
        ("visit_overdue", 1, "backfill", ("6f1c1b7e-0d2b-4d55-8a39-0c9f6f0f6a01",))]
    assert {(e.rule, e.sequence) for e in moved.ledger.ended} == {("bed_and_breakfast", 2), ("visit_overdue", 2)}
    assert stored.header(PEOPLE[b"lancashire:p002"]).waits_for_feed


def test_what_is_written_today_is_of_version_1() -> None:
    """If this fails, the layout has changed: give what is written now a new `stored.VERSION`, keep a reader for the old one, and
    have this test compare with bytes of the new version, checked in beside those of version 1."""
    everybody = folded()
    for key, form in PEOPLE.items():
        head, told = stored.header(form), everybody[key]
        told.ledger = stored.load(form).ledger
        assert stored.dump(told, head.due_on, head.waits_for_feed) == form


@live
async def test_a_monitor_goes_on_from_what_an_earlier_one_left(left: Lancashire) -> None:
    said, held = {key: a.sequence for key, a in left.kafka.newest_alerts().items()}, left.kafka.people()
    published = left.published
    await left.start()
    await left.worker.run_dry()
    assert left.published == published, "nothing is said again"
    assert {ref: stored.dump(each) for ref, each in left.kafka.people().items()} == {
        ref: stored.dump(each) for ref, each in held.items()}
    assert len(left.kafka.dead_letters) == 0, "that it had buried is not buried again"
    positions = [stored.load_position(dict(log)[stored.POSITION_KEY] or b"") for log in left.kafka.changelog]
    assert positions == BEFORE["committed"]
    written = left.states_written
    await left.start()
    await left.worker.run_dry()
    assert left.states_written == written, "and the next start finds it complete"
    await left.hear(manifest("2024-03-30"), seen("2024-03-29", "lancashire:p003"))
    for ref, sequence, status in (("lancashire:p003", 2, "cleared"), ("lancashire:p002", 1, "open"), (REF, 1, "open")):
        assert (left.alert_of(ref).sequence, left.alert_of(ref).status) == (sequence, status)
    assert {key: a.sequence for key, a in left.kafka.newest_alerts().items() if a.person_ref == REF and key in said} == {
        key: sequence for key, sequence in said.items() if left.kafka.newest_alerts()[key].person_ref == REF}
    left.kafka.check_sequences()


@live
async def test_what_an_earlier_one_had_not_written_is_made_up_from_the_events(left: Lancashire) -> None:
    """A person whose state never reached the changelog, though their events were read."""
    for log in left.kafka.changelog:
        log[:] = [(key, value) for key, value in log if key != b"lancashire:p003"]
    published = left.published
    await left.start()
    await left.worker.run_dry()
    assert left.published == published
    assert left.kafka.people()["lancashire:p003"].ledger == stored.load(PEOPLE[b"lancashire:p003"]).ledger


def test_records_about_the_state_that_are_not_known_are_passed_over() -> None:
    state = PartitionState()
    for key, value in (*changelog()[0], (b"@something", b"\x01else"), (b"@gone", None)):
        state.put(key, value)
    assert state.people.keys() == {b"lancashire:p002", b"lancashire:p003"}
    assert state.position is None
    assert state.feeds().of("lancashire")["visits"] == datetime(2024, 3, 10).toordinal()
    assert [stored.is_person(key) for key in (b"@alerts", b"@something", b"@", b"lancashire:p002")] == [False, False, False, True]


@pytest.mark.parametrize("key", [REF.encode(), stored.POSITION_KEY, b"feed:lancashire/visits", b"@something"])
def test_state_of_a_later_version_is_one_line_and_status_2(county: Lancashire, key: bytes, monkeypatch: pytest.MonkeyPatch,
                                                           capfd: pytest.CaptureFixture[str]) -> None:
    def end(status: int) -> NoReturn:
        raise SystemExit(status)

    async def begin() -> None:
        await county.start()
        await county.hear(person())
        county.kafka.changelog[0].append((key, bytes((stored.VERSION + 1,)) + bytes(40)))
        await main._or_stop(county.start())  # type: ignore[arg-type]

    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(SystemExit, match="2"):
        asyncio.run(begin())
    said = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("{")]
    assert said == ["contact_monitor: the people changelog was written by a newer version of Keep in Touch: run that one, or a "
                    "later one"]
