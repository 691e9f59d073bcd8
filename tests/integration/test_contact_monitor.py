"""The monitor as a process on a real Apache Kafka: events in, alerts out, whatever happens to it in between."""
from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from kafka import OffsetAndMetadata, TopicPartition

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.http import StatusServer
from keepintouch.runtime.kafka import KafkaSettings, Record, admin, consumer, producer, read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, Topic, people_changelog
from keepintouch.standards import stored
from schemas.alerts import Alert
from services.contact_monitor.kafka import check_topics
from services.contact_monitor.main import run as run_monitor
from services.contact_monitor.ports import Extent
from services.contact_monitor.restorer import Restorer
from services.contact_monitor.settings import MonitorSettings
from tests.processes import until
from tests.unit.contact_monitor.events import a_policy, erased, in_bed_and_breakfast, person, seen, void

MakeTopics = Callable[..., tuple[Topic, ...]]
TODAY = datetime(2024, 2, 20, 12, tzinfo=UTC)
SESSION = 10.0
"""Seconds; so long a worker may stand still without losing its partitions."""
EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


class Monitors:
    """Workers of one app, started and ended at will, and what is on their topics."""

    def __init__(self, kafka: KafkaSettings, folder: Path, app_id: str, children: Supervisor) -> None:
        self.kafka, self.folder, self.app_id, self.children = kafka, folder, app_id, children
        self.ports: dict[str, int] = {}
        self.reader = consumer(kafka)
        self.reader.assign([TopicPartition(ALERTS, number) for number in self.reader.partitions_for_topic(ALERTS)])
        self.alerts: list[Any] = []
        """Every record of the alerts topic that was read so far, in order."""
        self.last: dict[str, Alert | None] = {}
        a_policy(folder)
        council = {"name": "Lancashire", "policy": "seen", "ladder": "one", "fallback": "lancashire:duty",
                   "sign_in": "https://contact.example", "channels": {"sms": ["console"]}}
        ladder = {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]}
        (folder / "councils.yaml").write_text(yaml.safe_dump({"councils": {"lancashire": council}, "ladders": {"one": ladder}}))

    def start(self, name: str, clock: str | None = None, ready: bool = True) -> None:
        """A worker, by default on the afternoon of a day in February 2024."""
        port = self.ports[name] = free_port()
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "KAFKA_SESSION_TIMEOUT": f"{SESSION:.0f}s",
            "COUNCILS_FILE": str(self.folder / "councils.yaml"), "POLICIES_DIR": str(self.folder),
            "CONTACT_MONITOR_APP_ID": self.app_id, "CONTACT_MONITOR_SETTLE_SECONDS": "0.5",
            "CONTACT_MONITOR_HTTP_PORT": str(port), "KEEPINTOUCH_DEMO": "1",
            "KEEPINTOUCH_CLOCK": clock or f"{TODAY.isoformat()}*1"}
        self.children.start(Child(name, [sys.executable, "-m", "services.contact_monitor"], self.log(name), env,
                                  f"http://127.0.0.1:{port}/readyz"))
        if ready:
            self.children.wait_ready(name, within=120)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def gauges(self, name: str, metric: str) -> dict[str, float]:
        """Values of a metric of a worker, by what is between the braces."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        found = (line.removeprefix(metric).rpartition(" ") for line in lines if line.startswith((metric + "{", metric + " ")))
        return {labels.strip("{}"): float(value) for labels, _, value in found}

    def partitions(self, name: str) -> set[int]:
        """Which a worker looks after."""
        return {int(labels.split('"')[1]) for labels in self.gauges(name, "contact_monitor_heartbeat_timestamp_seconds")}

    def send(self, *events: Mapping[str, Any]) -> int:
        """Write events, each under its subject; returns when Kafka accepted the last, in milliseconds since 1970."""
        with contextlib.closing(producer(self.kafka)) as to:
            sent = [to.send(EVENTS, key=str(each["subject"]).encode(), value=json.dumps(each).encode()) for each in events]
            return int([each.get(timeout=30) for each in sent][-1].timestamp)

    def records(self, topic: str) -> list[Record]:
        """All there are on a topic now."""
        return list(read_to_end(self.kafka, topic))

    def newest(self) -> dict[str, Alert]:
        """What compaction leaves of the alerts read so far, tombstones removed."""
        for batch in self.reader.poll(timeout_ms=50).values():
            for record in batch:
                self.alerts.append(record)
                self.last[record.key.decode()] = record.value and Alert.model_validate_json(record.value)
        return {key: alert for key, alert in self.last.items() if alert}

    def wait_for(self, true: Callable[[dict[str, Alert]], object], within: float = 120) -> dict[str, Alert]:
        """The alerts, when they are as they should be."""
        until(lambda: true(self.newest()), within)
        return self.newest()

    def accepted_at(self, alert: str) -> int:
        """When Kafka accepted the first record of an alert, in milliseconds since 1970."""
        return int(min(record.timestamp for record in self.alerts if record.key == alert.encode()))

    def sent(self) -> int:
        """How many events there are."""
        partitions = [TopicPartition(EVENTS, number) for number in self.reader.partitions_for_topic(EVENTS)]
        return sum(self.reader.end_offsets(partitions).values())

    def read(self) -> int:
        """How many events the group has read: all before the committed offsets."""
        with contextlib.closing(admin(self.kafka)) as client:
            return sum(max(0, at.offset) for tp, at in client.list_group_offsets(self.app_id)[self.app_id].items())

    def exit_status(self, name: str) -> int:
        """How a worker ended by itself."""
        process = self.children._processes[name]
        return process.wait(120)


@pytest.fixture
def monitors(kafka: KafkaSettings, make_topics: MakeTopics, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Monitors]:
    app_id = f"t{abs(hash(request.node.name)) % 10**8}"   # a killed worker's group outlives its test
    make_topics(app_id, partitions=getattr(request, "param", 2))
    with Supervisor(stop_within=60) as children:
        found = Monitors(kafka, tmp_path, app_id, children)
        with contextlib.closing(found.reader):
            yield found


def alert_id(ref: str, rule: str, anchor_on: str) -> str:
    return str(uuid5(uuid5(NAMESPACE_URL, "urn:keep-in-touch:alert"), f"{ref}|{rule}|{anchor_on}"))


def ref_of(number: int) -> str:
    return f"lancashire:p{number:03}"


def test_the_whole_way(monitors: Monitors) -> None:
    """Poison and all else; what is found first, then what an event causes, then an erasure; and a stop in order."""
    poison, where = send_poison(monitors.kafka)
    said = {"zstd": person(ref_of(1)), "lz4": person(ref_of(2)), "gzip": seen("2024-02-10", ref_of(2), record_id="r2"),
            "snappy": seen("2024-02-19", ref_of(2), record_id="r1")}
    for codec, event in said.items():
        asyncio.run(send(monitors.kafka, event, compression_type=codec))
    monitors.start("one")
    found = monitors.wait_for(len)
    overdue = alert_id(ref_of(1), "visit_overdue", "2024-01-01")
    assert {key: (a.status, a.mode, a.sequence) for key, a in found.items()} == {overdue: ("open", "backfill", 1)}

    moved_at = monitors.send(in_bed_and_breakfast("2024-02-19", ref_of(2)))
    moved = alert_id(ref_of(2), "bed_and_breakfast", "2024-02-19")
    assert monitors.wait_for(lambda found: moved in found)[moved].mode == "live"
    monitors.send(void("r1", "2024-02-20T11:00:00Z", ref_of(2)))
    voided_at = monitors.send(void("r2", "2024-02-20T11:00:00Z", ref_of(2)))
    voided = alert_id(ref_of(2), "visit_overdue", "2024-01-01")
    monitors.wait_for(lambda found: voided in found)
    delays = {"move": monitors.accepted_at(moved) - moved_at, "void": monitors.accepted_at(voided) - voided_at}
    print(f"from the event's acceptance to its alert's, in ms: {delays}")

    monitors.send(erased("2024-02-20T11:30:00Z", ref_of(2)))
    assert set(monitors.wait_for(lambda found: len(found) == 1)) == {overdue}
    assert [record.value for record in monitors.alerts if record.key == moved.encode()][-1] is None, "a tombstone"

    def left() -> tuple[object, ...]:
        values = [r.value for r in monitors.records(people_changelog(monitors.app_id)) if r.key == ref_of(2).encode()]
        state = stored.load(values[-1] or b"")
        return state.facts, state.registers, state.ledger

    until(lambda: left() == (None, {}, None))   # Kafka may show the tombstone first

    check_dead_letters(monitors, poison, where)
    monitors.send(seen("2024-02-20", ref_of(1), recorded_at="2024-02-20T11:59:00Z"))
    until(lambda: monitors.gauges("one", "contact_monitor_events_total")['result="folded"'] + len(poison) == monitors.sent())
    until(lambda: set(monitors.gauges("one", "contact_monitor_lag_records").values()) == {0})
    monitors.children.stop("one")
    assert monitors.exit_status("one") == 0
    assert monitors.wait_for(lambda found: found[overdue].status == "cleared"), "what was folded was written …"
    assert monitors.read() == monitors.sent(), "… and committed"
    log = [json.loads(line) for line in monitors.log("one").read_text().splitlines()]
    assert not [line for line in log if line["level"] != "info"], "nothing to worry about in an uneventful life"
    assert "lancashire:" not in monitors.log("one").read_text()


Poison = list[tuple[str, bytes | None, bytes | None]]
"""Reason, key and value."""


def send_poison(kafka: KafkaSettings) -> tuple[Poison, list[tuple[int, int]]]:
    """Records of every kind that is not accepted; and where they lie."""
    good = person(ref_of(1))
    poison: Poison = [
        ("too_large", b"a:b", json.dumps(good | {"padding": "x" * 65_600}).encode()),
        ("too_large", b"a:b", b"x" * 8 * 1024 * 1024),   # compressed it is small
        ("not_json", b"a:b", b"{"), ("not_json", b"a:b", b""), ("not_json", b"a:b", None), ("not_json", None, b"\xff"),
        ("not_json", None, None),
        ("not_cloudevent", b"a:b", b"null"), ("not_cloudevent", b"a:b", b'{"specversion":"1.0"}'),
        ("unknown_type", b"a:b", json.dumps(good | {"type": "care.person.v9"}).encode()),
        ("schema", b"a:b", json.dumps(good | {"data": {}}).encode()),
        ("schema", b"a:b", json.dumps(good | {"subject": ref_of(2)}).encode()),
        ("key_mismatch", b"a:b", json.dumps(good).encode()), ("key_mismatch", None, json.dumps(good).encode()),
        ("unknown_council", b"essex:p1", json.dumps(person("essex:p1")).encode()),
        ("future", ref_of(9).encode(), json.dumps(person(ref_of(9), recorded_at="2024-02-25T00:00:00Z")).encode())]
    return poison, asyncio.run(append(kafka, EVENTS, [
        (n % 2, key, value, [("trace", b"%d" % n), ("none", None)]) for n, (_, key, value) in enumerate(poison)],
        compression_type="zstd"))


def check_dead_letters(monitors: Monitors, poison: Poison, where: list[tuple[int, int]]) -> None:
    """Each once, as it was, with all that is known of it."""
    records = monitors.records(DEAD_LETTERS)
    letters = {dict(record.headers)["trace"]: record for record in records}
    assert len(letters) == len(records) == len(poison)
    for number, (reason, key, value) in enumerate(poison):
        letter = letters[b"%d" % number]
        headers = {name: (said or b"").decode() for name, said in letter.headers}
        assert (headers["reason"], letter.key, letter.value) == (reason, key, value)
        assert (headers["topic"], int(headers["partition"]), int(headers["offset"])) == (EVENTS, *where[number])
        assert headers["detail"]
        assert headers["first_failed_at"].startswith("2024-02-20T12:")
        assert letter.headers[:2] == (("trace", b"%d" % number), ("none", None)), "its own headers first"
    assert monitors.gauges("one", "contact_monitor_events_total")['result="future"'] == 1


Raw = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


async def send(kafka: KafkaSettings, *events: Mapping[str, Any], transaction: str | None = None, abort: bool = False,
               partition: int | None = None, **more: Any) -> None:
    """Write events, under their subject or to a partition, with whatever a producer may do besides."""
    to = AIOKafkaProducer(**kafka.client_config(), transactional_id=transaction, **more)
    await to.start()
    try:
        if transaction:
            await to.begin_transaction()
        for event in events:
            await to.send_and_wait(EVENTS, json.dumps(event).encode(), str(event["subject"]).encode(), partition)
        if transaction:
            await (to.abort_transaction() if abort else to.commit_transaction())
    finally:
        await to.stop()


async def append(kafka: KafkaSettings, topic: str, records: Iterable[Raw], **more: Any) -> list[tuple[int, int]]:
    """Write records that no well-meaning producer would, to the partitions named; returns partition and offset of each."""
    to, where = AIOKafkaProducer(**kafka.client_config(), **more), []
    await to.start()
    try:
        for partition, key, value, headers in records:
            batch = to.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
            written = await (await to.send_batch(batch, topic, partition=partition))
            where.append((partition, written.offset))
    finally:
        await to.stop()
    return where


def some_people(numbers: Iterable[int]) -> tuple[list[dict[str, Any]], set[str]]:
    """Half of them seen lately, half not: their events, and the ids of the alerts there must be."""
    events, overdue = [], set()
    for number in numbers:
        ref = ref_of(number)
        days = [f"2023-12-{day:02}" for day in range(1, 11)]
        events += [person(ref), *(seen(day, ref, recorded_at=f"{day}T16:00:00Z") for day in days)]
        if number % 2:
            events.append(seen("2024-02-12", ref))
        else:
            overdue.add(alert_id(ref, "visit_overdue", "2024-01-01"))
    return events, overdue


def test_refused_and_killed_it_loses_nothing_and_says_nothing_twice(monitors: Monitors) -> None:
    """First the broker refuses the states, when the alerts are written already; then a SIGKILL while much is to be done."""
    events, overdue = some_people(range(300))
    first, then, last = (some_people(numbers)[0] for numbers in (range(90), range(90, 200), range(200, 300)))
    monitors.send(*first)
    changelog = people_changelog(monitors.app_id)
    set_config(monitors.kafka, changelog, {"max.message.bytes": "100"})
    monitors.start("refused", ready=False)
    assert monitors.exit_status("refused") == 70
    assert "Traceback" not in monitors.log("refused").read_text()
    assert monitors.read() == 0
    set_config(monitors.kafka, changelog, {"max.message.bytes": "1000000"})
    monitors.send(*then)
    monitors.start("killed", ready=False)
    monitors.wait_for(len)
    monitors.children.kill("killed")
    monitors.send(*last)
    monitors.start("lives")
    found = monitors.wait_for(lambda found: {k for k, a in found.items() if a.status == "open"} == overdue)
    assert set(found) == overdue, "and nothing else was ever said"
    assert {(a.mode, a.sequence) for a in found.values()} == {("backfill", 1)}
    said = {(r.key, Alert.model_validate_json(r.value).model_dump_json(exclude={"detected_at"})) for r in monitors.alerts}
    assert len(said) == len(overdue), "what a crash repeats, it repeats as it was"
    until(lambda: monitors.read() == len(events))


def test_at_midnight_what_is_due_opens_by_itself(monitors: Monitors) -> None:
    """A day of this clock takes some seconds; somebody is due on each of the next days."""
    start = datetime(2024, 3, 1, 9, tzinfo=UTC)
    for number in range(30):
        ref, day = ref_of(number), (start + timedelta(days=number - 28)).date().isoformat()
        monitors.send(person(ref), seen(day, ref))
    monitors.start("one", clock=f"{start.isoformat()}*10000")

    def late(found: Mapping[str, Alert]) -> list[timedelta]:
        """How long after its midnight each was found, of those that were not there from the first."""
        return [alert.detected_at - datetime.combine(alert.opens_on, time_of_day(), UTC) for alert in found.values()
                if alert.mode == "live"]

    # A machine that stands still for some seconds may sleep through one day.
    found = monitors.wait_for(lambda found: sum(each < timedelta(days=1) for each in late(found)) >= 2, 200)
    assert min(late(found)) >= timedelta(0)
    print(f"opened so many real seconds after midnight: {[each.total_seconds() / 10_000 for each in late(found)]}")


@pytest.mark.parametrize("monitors", [2], indirect=True)
def test_others_take_over_from_a_worker_that_is_killed(monitors: Monitors) -> None:
    events, overdue = some_people(range(40))
    monitors.send(*events)
    monitors.start("one")
    monitors.wait_for(lambda found: set(found) == overdue)
    assert monitors.partitions("one") == {0, 1}
    monitors.start("two", ready=False)
    monitors.start("three", ready=False)
    monitors.children.wait_ready(within=120)   # more workers than partitions: one is ready, and waits for its hour
    until(lambda: sorted(len(monitors.partitions(name)) for name in ("one", "two", "three")) == [0, 1, 1])
    before = {key: alert.sequence for key, alert in monitors.newest().items()}
    victim = next(name for name in ("one", "two", "three") if monitors.partitions(name))
    monitors.children.kill(victim)
    killed = time.monotonic()
    monitors.send(*(in_bed_and_breakfast("2024-02-19", ref_of(number)) for number in range(40)))
    found = monitors.wait_for(lambda found: len(found) == 60)
    print(f"all alerts {time.monotonic() - killed:.1f} s after the kill, of which {SESSION:.0f} s are the session's")
    assert {key: found[key].sequence for key in before} == before, "it went on from where the other had been"
    assert {(a.mode, a.sequence) for a in found.values() if a.rule == "bed_and_breakfast"} == {("live", 1)}
    left = [name for name in ("one", "two", "three") if name != victim]
    until(lambda: sorted(p for name in left for p in monitors.partitions(name)) == [0, 1])


@pytest.mark.parametrize("monitors", [4], indirect=True)
def test_where_partitions_stand(monitors: Monitors) -> None:
    """Markers of transactions take offsets, deletion moves the beginning; nobody may wait for a record that does not come."""
    kafka, one = monitors.kafka, person(ref_of(1))
    asyncio.run(send(kafka, one, one, partition=0))
    with_markers = TopicPartition(EVENTS, 1)
    for n in range(20):
        asyncio.run(send(kafka, one, transaction=f"t{n}", partition=1, abort=n > 0))
        until(lambda n=n: monitors.reader.end_offsets([with_markers])[with_markers] == 2 * n + 2)   # type: ignore[misc]
    asyncio.run(send(kafka, *[one] * 5, partition=3))
    with contextlib.closing(admin(kafka)) as client:
        client.delete_records({TopicPartition(EVENTS, 3): 4})
    layout = check_topics(kafka, monitors.app_id)
    assert layout.events == 4

    def extents() -> dict[int, Extent]:
        return asyncio.run(Restorer(kafka, monitors.app_id, layout).extents(range(4)))

    assert extents() == {0: Extent(0, 0, 2), 1: Extent(0, 0, 39), 2: Extent(0, 0, 0), 3: Extent(4, 4, 5)}
    commit(kafka, monitors.app_id, {0: 1, 1: 39, 3: 2})
    assert extents() == {0: Extent(0, 1, 2), 1: Extent(0, 39, 39), 2: Extent(0, 0, 0), 3: Extent(4, 2, 5)}
    commit(kafka, monitors.app_id, {2: 1})
    with pytest.raises(UserError, match=r"partition 2 up to 1, but it ends at 0: the topic was made anew\. Delete the group"):
        extents()


def test_alerts_are_read_to_their_end_past_what_a_dead_worker_had_begun(monitors: Monitors) -> None:
    """Or numbers would go back, where the changelog is lost and several workers start at once."""
    alert = (EXAMPLES / "care.alerts.v1" / "valid-usual.json").read_bytes()

    async def read() -> list[Alert]:
        async with producer_of("dead") as dead, producer_of("living") as living:
            await dead.begin_transaction()
            await dead.send_and_wait(ALERTS, b"{}", b"other", partition=0)
            await living.begin_transaction()
            await living.send_and_wait(ALERTS, alert, b"alert", partition=0)
            await living.commit_transaction()
            reading = asyncio.create_task(Restorer(monitors.kafka, monitors.app_id, layout).alerts())
            await asyncio.wait([reading], timeout=2)
            assert not reading.done(), "it would have missed what came later"
            await dead.abort_transaction()
            return await reading

    def producer_of(name: str) -> AIOKafkaProducer:
        return AIOKafkaProducer(**monitors.kafka.client_config(), transactional_id=name)

    layout = check_topics(monitors.kafka, monitors.app_id)
    assert asyncio.run(read()) == [Alert.model_validate_json(alert)]


def commit(kafka: KafkaSettings, group: str, offsets: Mapping[int, int]) -> None:
    with contextlib.closing(consumer(kafka, group=group)) as client:
        at = {TopicPartition(EVENTS, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
        client.assign(list(at))
        client.commit(at)


def test_topics_that_do_not_fit_are_told_at_the_start(monitors: Monitors) -> None:
    with pytest.raises(UserError, match=r"no topic other-people-changelog: create the topics first"):
        check_topics(monitors.kafka, "other")
    with contextlib.closing(admin(monitors.kafka)) as client:
        client.create_topics({"other-people-changelog": {"num_partitions": 3, "replication_factor": 1}})
        client.wait_for_topics(["other-people-changelog"])
    with pytest.raises(UserError, match=r"other-people-changelog has 3 partitions and care\.events\.v1 2: they must"):
        check_topics(monitors.kafka, "other")


def test_a_port_that_is_taken_is_told_at_the_start(monitors: Monitors, monkeypatch: pytest.MonkeyPatch) -> None:
    with StatusServer(0, not_ready=tuple) as taken:
        for name, value in {"COUNCILS_FILE": "councils.yaml", "POLICIES_DIR": ".", "CONTACT_MONITOR_APP_ID": monitors.app_id,
                            "CONTACT_MONITOR_HTTP_PORT": str(taken.port)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(monitors.folder)
        with pytest.raises(UserError, match=r"cannot listen on .*set CONTACT_MONITOR_HTTP_PORT to a free one"):
            run_monitor(load_settings(MonitorSettings), monitors.kafka)


def set_config(kafka: KafkaSettings, topic: str, config: Mapping[str, str]) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    with contextlib.closing(admin(kafka)) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(config))])
