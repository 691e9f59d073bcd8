"""The verdict sees each thing that can be wrong. What is right is written by the monitor itself, on a Kafka in memory."""
from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepintouch.acceptance import dead_letter_headers
from keepintouch.runtime.clock import LinearClock, ManualClock
from keepintouch.runtime.kafka import Record
from tests.faults.topics import Topics
from tests.faults.verdict import Fault, Verdict, judge
from tests.reference.model import Policy, folder, load_policy
from tests.unit.contact_monitor.events import a_policy, erased, manifest, person, seen
from tests.unit.contact_monitor.memory_kafka import MemoryKafka, Worker, rulebook

NOW = datetime(2024, 2, 20, 12, tzinfo=UTC)
OVERDUE, SEEN, GONE = (f"lancashire:p00{n}" for n in (1, 2, 3))


class Scene:
    """Topics on which all is well, and the verdict on them."""

    def __init__(self, policies: Path) -> None:
        engine = a_policy(policies)
        self.rules: dict[str, Policy] = {"lancashire": load_policy(folder(policies), "seen")}
        self.clock = LinearClock(NOW, datetime(2020, 1, 1, tzinfo=UTC), 1e-9)   # it stands still
        self.kafka = MemoryKafka(partitions=1)
        self.worker = Worker(self.kafka, rulebook(engine, "lancashire"), ManualClock(NOW))
        asyncio.run(self._live())

    async def _live(self) -> None:
        kafka, worker = self.kafka, self.worker
        await worker.own_all()
        for event in (person(OVERDUE), person(SEEN), seen("2024-02-01", SEEN, record_id="r1"), manifest("2024-02-19"),
                      person(GONE), person("essex:p1"), "no json"):
            kafka.send(event)
        await worker.run_dry()
        kafka.send(erased("2024-02-19T12:00:00Z", GONE))
        kafka.send(person(OVERDUE, recorded_at="2024-02-10T12:00:00Z", adviser_ref="lancashire:w02"))
        await worker.run_dry()

    def topics(self) -> Topics:
        """As a reader finds them."""
        kafka = self.kafka
        return Topics(
            [Record("events", r.partition, r.offset, n, r.key, r.value, r.headers) for r in kafka.events[0] for n in [r.offset]],
            [_record(n, *each) for log in kafka.alerts for n, each in enumerate(log)],
            [_record(n, *each) for n, each in enumerate(kafka.changelog[0])],
            [_record(n, each.record.key, each.record.value, dead_letter_headers(
                (), each.refused, "events", each.record.partition, each.record.offset, NOW))
             for n, each in enumerate(kafka.dead_letters)],
            {0: len(kafka.events[0])})

    def judge(self, **changed: Any) -> Verdict:
        """The verdict on these topics, but for what is changed."""
        return judge(replace(self.topics(), **changed), self.rules, self.clock, NOW)


def _record(number: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> Record:
    return Record("topic", 0, number, 1_000, key, value, tuple(headers))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def faults(verdict: Verdict) -> dict[Fault, int]:
    """What is wrong, and how often."""
    return {fault: len(where) for fault, where in verdict.found.items() if where}


def alerts(topics: Topics) -> list[dict[str, Any]]:
    """Those that are no tombstones."""
    return [json.loads(record.value) for record in topics.alerts if record.value]


def changed(records: Sequence[Record], change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> list[Record]:
    """Records of alerts, changed; None: left out."""
    found = [(r, json.loads(r.value) if r.value else {}) for r in records]
    return [r._replace(value=json.dumps(new).encode()) if new else r
            for r, alert in found if (new := change(alert) if alert else {}) is not None]


def test_all_is_well(scene: Scene) -> None:
    verdict = scene.judge()
    assert verdict.good, verdict
    assert verdict.looked_at == {"events": 9, "refused": 2, "people": 3, "alert records": 4, "alerts": 2}
    assert "lost                        0" in verdict.table()


def test_an_alert_that_is_not_there_is_lost(scene: Scene) -> None:
    verdict = scene.judge(alerts=changed(scene.topics().alerts, lambda a: None if a["person_ref"] == OVERDUE else a))
    assert faults(verdict) == {Fault.LOST: 1, Fault.STATE_DIFFERS: 1}
    assert verdict.found[Fault.LOST] == [alerts(scene.topics())[0]["alert_id"]]


def test_a_change_that_nobody_was_told_of_is_lost(scene: Scene) -> None:
    without_the_first = changed(scene.topics().alerts, lambda a: None if a["sequence"] == 1 else a)
    assert faults(scene.judge(alerts=without_the_first)) == {Fault.LOST: 1}


def test_an_alert_that_is_not_so_is_invented(scene: Scene) -> None:
    """At the end, and on the way: nothing that was known on that day, or is now, makes it true."""
    topics = scene.topics()
    other = changed(topics.alerts[:1], lambda a: a | {"alert_id": "11111111-1111-5111-8111-111111111111", "person_ref": SEEN})
    invented = [other[0]._replace(key=b"11111111-1111-5111-8111-111111111111")]
    assert faults(scene.judge(alerts=[*topics.alerts, *invented])) == {Fault.INVENTED: 2, Fault.STATE_DIFFERS: 1}
    ended = changed(invented, lambda a: a | {"status": "cleared"})
    assert faults(scene.judge(alerts=[*topics.alerts, *ended])) == {Fault.INVENTED: 1, Fault.STATE_DIFFERS: 1}


def test_what_was_true_on_what_was_known_is_not_invented(scene: Scene) -> None:
    """A visit in time was typed up late: nobody could have known."""
    async def on() -> None:
        scene.kafka.send(seen("2024-01-10", OVERDUE, recorded_at="2024-02-20T11:00:00Z"))
        scene.kafka.send(seen("2024-02-10", OVERDUE, recorded_at="2024-02-20T11:00:00Z"))
        await scene.worker.run_dry()

    asyncio.run(on())
    topics = scene.topics()
    assert [alert["status"] for alert in alerts(topics) if alert["person_ref"] == OVERDUE] == ["open", "open", "withdrawn"]
    assert scene.judge().good, scene.judge()
    late = [r._replace(timestamp_ms=10_000) if r.offset < 9 else r for r in topics.events]
    assert faults(scene.judge(events=late)) == {Fault.INVENTED: 2}, "but nobody could have known it before the events were there"


def test_an_alert_that_says_something_else(scene: Scene) -> None:
    for change in ({"due_on": "2024-01-01"}, {"severity": "low"}, {"adviser_ref": None}):
        told = changed(scene.topics().alerts, lambda a, change=change: a | change)   # type: ignore[misc]
        assert faults(scene.judge(alerts=told)) == {Fault.ALERT_DIFFERS: 1}


def test_numbers_that_go_back_and_numbers_said_twice(scene: Scene) -> None:
    topics = scene.topics()
    one, two = (record for record in topics.alerts if record.value and json.loads(record.value)["person_ref"] == OVERDUE)
    again = changed([two], lambda a: a | {"detected_at": a["detected_at"], "evidence": ["r9"], "detail": {}})
    assert scene.judge(alerts=[*topics.alerts, *again]).good, "what a crash repeats does no harm"
    other = changed([two], lambda a: a | {"team_ref": "south"})
    assert scene.judge(alerts=[*topics.alerts, *other, two]).count(Fault.REGRESSION) == 2
    assert scene.judge(alerts=[*topics.alerts, one, two]).count(Fault.REGRESSION) == 1


def test_dead_letters_are_one_for_each_that_was_refused(scene: Scene) -> None:
    letters = scene.topics().dead_letters
    assert faults(scene.judge(dead_letters=letters[1:])) == {Fault.DEAD_LETTER_MISSING: 1}
    assert faults(scene.judge(dead_letters=[*letters, letters[0]])) == {Fault.DEAD_LETTER_EXTRA: 1}
    assert faults(scene.judge(dead_letters=[letters[0]._replace(value=b"{"), letters[1]])) == {
        Fault.DEAD_LETTER_EXTRA: 1, Fault.DEAD_LETTER_MISSING: 1}


def test_state_is_what_all_events_say(scene: Scene) -> None:
    changelog = scene.topics().changelog
    for ref in (OVERDUE, SEEN, GONE, "feed:lancashire/visits"):
        without = [record for record in changelog if record.key != ref.encode()]
        assert faults(scene.judge(changelog=without)) == {Fault.STATE_DIFFERS: 1}
        last = [record for record in changelog if record.key == ref.encode()]
        if len(last) > 1:
            assert scene.judge(changelog=[*changelog, last[0]]).count(Fault.STATE_DIFFERS) == 1, "a stale record on top"


def test_of_the_erased_nothing_remains(scene: Scene) -> None:
    topics = scene.topics()
    kept = [record for record in topics.alerts if record.value]
    verdict = scene.judge(alerts=kept)
    assert verdict.found[Fault.ERASED_REMAINS] == [GONE]
    assert verdict.count(Fault.INVENTED) == 1


def test_everything_is_read(scene: Scene) -> None:
    assert faults(scene.judge(committed={0: 8})) == {Fault.NOT_COMMITTED: 1}
    assert faults(scene.judge(committed={})) == {Fault.NOT_COMMITTED: 1}


def test_input_on_which_one_could_disagree_is_no_input(scene: Scene) -> None:
    scene.kafka.send(person("lancashire:p004", recorded_at="2024-02-21T18:00:00Z"))
    with pytest.raises(ValueError, match="0:9 is accepted depends on when it is read"):
        judge(scene.topics(), scene.rules, scene.clock, NOW.replace(day=22))
