"""`keepintouch dead-letters` on a real Apache Kafka: what it lists and shows, and what it sends again."""
from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from keepintouch.acceptance import Refused, dead_letter_headers
from keepintouch.runtime.kafka import KafkaSettings, Record, producer, read_to_end
from keepintouch.runtime.supervisor import Supervisor
from keepintouch.runtime.topics import ALERT_ACTIONS, DEAD_LETTERS, EVENTS, STAFF, Topic, people_changelog
from tests.integration.monitor_process import NAME, TODAY, councils_file, send, start_monitor, surroundings
from tests.processes import until
from tests.reference.command import Ran, keepintouch
from tests.unit.contact_monitor.events import manifest, person, seen

APP_ID = "replaying"
Raw = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


@pytest.fixture(autouse=True)
def _surroundings(kafka: KafkaSettings, make_topics: Callable[..., tuple[Topic, ...]], tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:
    make_topics(APP_ID, partitions=2)
    surroundings(kafka, tmp_path, monkeypatch, APP_ID)


def run(*arguments: str) -> Ran:
    ran = keepintouch("dead-letters", *arguments)
    assert "Traceback" not in ran.err
    return ran


def listed(*arguments: str) -> list[dict[str, Any]]:
    ran = run("list", "--json", *arguments)
    assert ran.status == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def counts(*arguments: str) -> Counter[tuple[str, str, str]]:
    return Counter({(line["topic"], line["reason"], line["source"]): line["count"] for line in listed(*arguments)})


def write(kafka: KafkaSettings, records: Iterable[Raw]) -> None:
    """Write dead letters to the partitions named, with what only a low-level client can write."""
    async def written() -> None:
        to = AIOKafkaProducer(**kafka.client_config())
        await to.start()
        try:
            for partition, key, value, headers in records:
                batch = to.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
                await (await to.send_batch(batch, DEAD_LETTERS, partition=partition))
        finally:
            await to.stop()
    asyncio.run(written())


def dead(event: dict[str, Any] | bytes | None, reason: Any, *, key: bytes | None = None, topic: str = EVENTS,
         at: tuple[int, int] = (0, 0), headers: list[tuple[str, bytes | None]] | None = None, ago: timedelta = timedelta(0),
         lies: int = 0) -> Raw:
    """A dead letter as services write it; keyed by its subject unless told otherwise."""
    value = json.dumps(event).encode() if isinstance(event, dict) else event
    key = str(event["subject"]).encode() if key is None and isinstance(event, dict) and "subject" in event else key
    return lies, key, value, dead_letter_headers(headers, Refused(reason, f"{reason}: wrong [here]"), topic, *at, TODAY - ago)


def events(kafka: KafkaSettings) -> list[Record]:
    return list(read_to_end(kafka, EVENTS))


def test_list_and_show(kafka: KafkaSettings) -> None:
    who = "lancashire:p007"
    binary: list[tuple[str, bytes | None]] = [("ce_subject", who.encode()), ("ce_source", b"urn:bin"), ("none", None)]
    assert run("list").out == "no dead letters\n"
    write(kafka, [
        dead(person(who), "future", ago=timedelta(days=3)), dead(person(who), "future", ago=timedelta(hours=1), lies=1),
        dead(b'{"\x1b[31m', "not_json", key=who.encode(), headers=binary), (1, who.encode(), b"x", [("reason", b"none of ours")]),
        dead({}, "schema", topic=STAFF)])
    ran = run("list")
    assert ran.err == "passed over on care.dead-letters.v1, for they are no dead letters: 1\n"
    assert [line.split()[:4] for line in ran.out.splitlines()] == [
        ["topic", "reason", "source", "count"], [EVENTS, "future", "urn:case-system", "2"], [EVENTS, "not_json", "urn:bin", "1"],
        [STAFF, "schema", "?", "1"]]
    assert "2024-02-17 12:00:00Z" in ran.out
    assert "2024-02-20 11:00:00Z" in ran.out
    assert "future: wrong [here]" in ran.out
    assert counts("--since", "2d") == {
        (EVENTS, "future", "urn:case-system"): 1, (EVENTS, "not_json", "urn:bin"): 1, (STAFF, "schema", "?"): 1}
    assert counts("--since", "2024-02-20T11:30:00Z", "--source", "?") == {(STAFF, "schema", "?"): 1}
    assert counts("--reason", "schema", "--reason", "not_json", "--source", "urn:bin") == {(EVENTS, "not_json", "urn:bin"): 1}
    assert run("list", "--reason", "too_large").out == "no dead letters that fit\n"
    (line,) = listed("--reason", "not_json", "--positions")
    assert line["positions"] == ["0:1"]

    shown = run("show", "0:1")
    assert (shown.status, shown.err) == (0, "")
    lines = shown.out.splitlines()
    for says in ("position: 0:1", "reason: not_json", "detail: not_json: wrong [here]", f"topic: {EVENTS}", "source: urn:bin",
                 "its own headers: ce_subject, ce_source, none", "value: 7 bytes (--value shows it)"):
        assert says in lines
    whole = run("show", "0:1", "--value")
    assert "may hold personal data" in whole.err
    assert f"its own header ce_subject: {who}" in whole.out
    assert "its own header none: none" in whole.out
    assert r'value: {"\x1b[31m' in whole.out, "nothing that a terminal would obey"
    both = run("show", "--reason", "future")
    assert both.out.index("position: 1:0") < both.out.index("position: 0:0"), "the newest first"
    assert run("show", "--reason", "future", "--limit", "1").out.count("position: ") == 1
    for nowhere in ("0:99", "7:0", "1:1"):
        assert f"there is no dead letter at {nowhere}" in run("show", nowhere).err
    for ran in (run("list"), shown, both, run("list", "--positions")):
        assert who not in ran.out + ran.err


def test_what_is_right_now_is_sent_again_once(kafka: KafkaSettings, tmp_path: Path) -> None:
    own: list[tuple[str, bytes | None]] = [("trace", b"\x00"), ("reason", b"its own"), ("none", None)]
    good = [dead(person(f"essex:p{n}"), "unknown_council", at=(n % 2, n), headers=own) for n in range(20)]
    write(kafka, [
        *good, dead(b"{", "not_json", key=b"essex:p1"), dead(person("kent:p1"), "unknown_council"),
        dead(person("essex:p99"), "key_mismatch", key=b"essex:other"),
        dead(manifest("2024-02-19", council="essex"), "future", at=(1, 50)),
        dead({}, "schema", topic=STAFF, key=b"essex:w1"), dead(person("essex:late"), "future", ago=timedelta(days=9))])
    before = run("replay", "--reason", "unknown_council", "--yes")
    assert (before.status, before.out.splitlines()) == (0, [
        "left 21: would be refused again as unknown_council; add the council to the councils file", "0 sent again, 21 left"])
    councils_file(tmp_path / "councils.yaml", ["lancashire", "essex"])
    every = [f"--reason={reason}" for reason in ("unknown_council", "not_json", "key_mismatch", "future", "schema")]
    dry = run("replay", *every, "--since", "1d", "--dry-run")
    assert dry.out.splitlines()[-1] == "21 would be sent again, 4 left"
    assert events(kafka) == []

    done = run("replay", *every, "--since", "1d", "--yes")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "left 1: of care.staff.v1: compacted, and an old record would stand for a newer one; send it again from its source",
        "left 1: would be refused again as key_mismatch; --fix-key sends such under the key that the value names",
        "left 1: would be refused again as not_json",
        "left 1: would be refused again as unknown_council; add the council to the councils file",
        "21 sent again, 4 left"]
    sent = {record.key: record for record in events(kafka)}
    assert len(sent) == len(events(kafka)) == 21
    for number, (_, key, value, _) in enumerate(good):
        assert sent[key].value == value
        assert sent[key].headers == (("trace", b"\x00"), ("reason", b"its own"), ("replayed_from", b"0:%d" % number))
    assert sent[b"feed:essex/visits"].partition == 1, "a manifest goes back to its own partition"

    assert run("replay", *every, "--since", "1d", "--yes").out.splitlines()[-1] == "0 sent again, 25 left"
    assert run("replay", *every, "--yes").out.splitlines()[-1] == "1 sent again, 25 left"
    fixed = run("replay", "--reason", "key_mismatch", "--fix-key", "--yes", "--source", "urn:case-system")
    assert fixed.out.splitlines()[-1] == "1 sent again, 0 left"
    assert [record.key for record in events(kafka)].count(b"essex:p99") == 1
    assert run("replay", "--reason", "not_json", "--anyway", "--yes").out == "1 sent again, 0 left\n"
    assert run("replay", "--reason", "not_json", "--anyway", "--yes").out.splitlines()[-1] == "0 sent again, 1 left"
    assert run("replay", "--reason", "not_json", "--anyway", "--again", "--yes").out == "1 sent again, 0 left\n"
    assert len(events(kafka)) == 25
    assert list(read_to_end(kafka, STAFF)) == []


def test_actions_go_back_to_their_topic(kafka: KafkaSettings) -> None:
    action = {"action_id": "a1", "alert_id": "6fa459ea-ee8a-5ca4-894e-db77e160355e", "action": "acknowledge",
              "actor_ref": "lancashire:w01", "at": "2024-02-20T11:00:00Z", "via": "sms"}
    write(kafka, [dead(action, "schema", topic=ALERT_ACTIONS, key=str(action["alert_id"]).encode())])
    assert run("replay", "--reason", "schema", "--yes").out == "1 sent again, 0 left\n"
    assert run("replay", "--reason", "schema", "--yes").out.splitlines()[-1] == "0 sent again, 1 left"
    (record,) = read_to_end(kafka, ALERT_ACTIONS)
    assert (json.loads(record.value or b""), record.headers) == (action, (("replayed_from", b"0:0"),))


def test_what_kafka_does_not_take_is_one_line(kafka: KafkaSettings) -> None:
    """Over the limit of the events topic, though not of the dead letters."""
    _, key, value, headers = dead(b"[" + b" " * 2_000_000, "too_large", key=b"lancashire:p1")
    with contextlib.closing(producer(kafka)) as to:
        to.send(DEAD_LETTERS, value, key, headers).get(timeout=30)
    assert run("replay", "--reason", "too_large", "--yes").out.splitlines()[-1] == "0 sent again, 1 left"
    ran = run("replay", "--reason", "too_large", "--anyway", "--yes")
    assert (ran.status, ran.out) == (2, "")
    assert "Kafka did not take a record (" in ran.err
    assert "keepintouch topics check" in ran.err
    assert ran.err.count("\n") == 1


def test_a_feed_is_mended_from_the_letter_to_the_person(kafka: KafkaSettings, children: Supervisor, tmp_path: Path) -> None:
    """What a real monitor refuses while a council is missing is in its state once the council is there and it is replayed."""
    send(kafka, person("essex:p1"), seen("2024-02-19", "essex:p1"), person("lancashire:p1"))
    start_monitor(children, tmp_path)
    until(lambda: counts() == {(EVENTS, "unknown_council", "urn:case-system"): 2})
    children.stop(NAME)
    councils_file(tmp_path / "councils.yaml", ["lancashire", "essex"])
    assert run("replay", "--reason", "unknown_council", "--yes").out == "2 sent again, 0 left\n"
    start_monitor(children, tmp_path)
    until(lambda: b"essex:p1" in {record.key for record in read_to_end(kafka, people_changelog(APP_ID))})
    assert counts() == {(EVENTS, "unknown_council", "urn:case-system"): 2}, "nothing was refused again"
