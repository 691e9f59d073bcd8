"""`keepintouch erase` beside a real monitor on a real Apache Kafka: what is left on the topics, and what it says."""
from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keepintouch.runtime.kafka import KafkaSettings, admin, read_to_end
from keepintouch.runtime.supervisor import Supervisor
from keepintouch.runtime.topics import ALERTS, EVENTS, Topic, people_changelog
from keepintouch.standards import stored
from tests.integration.monitor_process import send, start_monitor, surroundings
from tests.processes import until
from tests.reference.command import Ran, keepintouch
from tests.unit.contact_monitor.events import in_bed_and_breakfast, person, seen

APP_ID = "erasing"
SOMEBODY, ANOTHER, EARLY = "lancashire:p001", "lancashire:p002", "lancashire:p003"
AT = "2024-02-20T11:30:00.000000Z"


@pytest.fixture(autouse=True)
def _surroundings(kafka: KafkaSettings, make_topics: Callable[..., tuple[Topic, ...]], tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:
    make_topics(APP_ID, partitions=2)
    surroundings(kafka, tmp_path, monkeypatch, APP_ID)


def erase(ref: str, *arguments: str) -> Ran:
    """By standard input, without asking; whatever happens, nothing printed says who."""
    ran = keepintouch("erase", "-", "--yes", *arguments, stdin=ref.encode())
    assert ref not in ran.out + ran.err
    assert "Traceback" not in ran.err
    return ran


def newest(kafka: KafkaSettings, topic: str) -> dict[bytes | None, bytes | None]:
    return {record.key: record.value for record in read_to_end(kafka, topic)}


def alerts_of(kafka: KafkaSettings, ref: str) -> dict[bytes | None, bytes | None]:
    """The newest record of every alert that was ever published about a person."""
    theirs = {r.key for r in read_to_end(kafka, ALERTS) if r.value and json.loads(r.value)["person_ref"] == ref}
    return {key: value for key, value in newest(kafka, ALERTS).items() if key in theirs}


def erasures_of(kafka: KafkaSettings, ref: str) -> list[object]:
    sent = [json.loads(record.value or b"") for record in read_to_end(kafka, EVENTS) if record.key == ref.encode()]
    return [event for event in sent if event["type"] == "care.person-erased.v1"]


def test_nobody_is_forgotten_before_the_monitor_has_done_it(kafka: KafkaSettings, children: Supervisor, tmp_path: Path) -> None:
    send(kafka, person(SOMEBODY), seen("2024-01-05", SOMEBODY), in_bed_and_breakfast("2024-02-01", SOMEBODY), person(ANOTHER),
         person(EARLY))
    early = erase(EARLY, "--recorded-at", AT, "--within", "1s")
    assert early.status == 1
    assert "not carried out within 1s: the record is still there. Is the monitor of app id erasing running" in early.err

    start_monitor(children, tmp_path)
    until(lambda: len(alerts_of(kafka, SOMEBODY)) == 2 and len(alerts_of(kafka, ANOTHER)) == 1)
    assert erase(EARLY, "--recorded-at", "2024-02-20T11:30:00Z", "--within", "120s").status == 0
    first, again = erasures_of(kafka, EARLY)
    assert first == again, "the same erasure twice is one"
    assert not alerts_of(kafka, EARLY)

    done = erase(SOMEBODY, "--recorded-at", AT, "--within", "120s")
    assert (done.status, done.err) == (0, "")
    assert f"asked to forget what was recorded up to {AT}" in done.out
    assert "alerts of theirs with a tombstone: 2" in done.out
    for line in ("care.events.v1: what was said about them, for up to 400 days", "care.alerts.v1: their alerts, for up to 1 day",
                 "erasing-people-changelog: earlier states, for up to 1 day", "keepintouch topics list"):
        assert line in done.out
    assert set(alerts_of(kafka, SOMEBODY).values()) == {None}
    left = stored.load(newest(kafka, people_changelog(APP_ID))[SOMEBODY.encode()] or b"")
    assert (left.facts, left.registers, left.ledger) == (None, {}, None)
    assert None not in alerts_of(kafka, ANOTHER).values(), "nobody else is"

    send(kafka, person(SOMEBODY, recorded_at="2024-02-20T18:00:00Z"))
    returned = erase(SOMEBODY, "--within", "120s")
    assert returned.status == 1
    assert "something recorded later is known of the person: erase them in the case system" in returned.err
    assert "lancashire:p" not in (tmp_path / "monitor.log").read_text()


def test_without_waiting_it_is_only_asked_for(kafka: KafkaSettings) -> None:
    ran = erase(SOMEBODY, "--recorded-at", AT, "--no-wait")
    assert (ran.status, ran.err) == (0, "")
    assert f"the same with --recorded-at {AT}" in ran.out
    (record,) = read_to_end(kafka, EVENTS)
    event = json.loads(record.value or b"")
    assert (record.key, event["source"]) == (SOMEBODY.encode(), "urn:keep-in-touch:cli")
    assert event["data"] == {"person_ref": SOMEBODY, "recorded_at": AT.replace(".000000", "")}


def test_now_is_the_clocks(kafka: KafkaSettings) -> None:
    assert erase(SOMEBODY, "--no-wait").status == 0
    (record,) = read_to_end(kafka, EVENTS)
    assert json.loads(record.value or b"")["data"]["recorded_at"].startswith("2024-02-20T12:0")


def test_where_no_monitor_ever_was_nothing_is_sent(kafka: KafkaSettings) -> None:
    with contextlib.closing(admin(kafka)) as client:
        client.delete_topics([people_changelog(APP_ID)])
        until(lambda: people_changelog(APP_ID) not in client.list_topics())
    ran = erase(SOMEBODY)
    assert (ran.status, ran.out) == (2, "")
    assert "Kafka has no topic erasing-people-changelog: create the topics first (keepintouch topics create)" in ran.err
    assert ran.err.count("\n") == 1
    assert list(read_to_end(kafka, EVENTS)) == []
