"""`keepintouch simulate`: lines anybody can read, records as the topics want them, and one clear line where it cannot be."""
from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from keepintouch.cli.simulate import simulate
from keepintouch.publishing import sending, to_json
from keepintouch.refs import load_key, new_key
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, Record, TopicMissing, read_to_end
from keepintouch.runtime.topics import EVENTS, STAFF, Topic
from keepintouch.simulator import TYPICAL
from keepintouch.simulator import simulate as made_up
from schemas.events import CloudEvent
from schemas.staff import Staff

FEW = ("--preset", "typical", "--people", "4", "--days", "60")


def run(*arguments: str, **env: str) -> Result:
    app = typer.Typer()
    app.command()(simulate)
    return CliRunner(env=env).invoke(app, arguments)


def test_events_are_lines_on_standard_output() -> None:
    found = run(*FEW, "--seed", "3", "--start", "2024-01-01", "--council", "kent", "--afterwards", "2", "--feed", "visits")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert {event["specversion"] for event in events} == {"1.0"}
    assert {event["subject"].partition(":")[0] for event in events if event["type"] != "care.feed.v1"} == {"kent"}
    assert [event["data"]["complete_through"] for event in events if event["type"] == "care.feed.v1"][-1] == "2024-03-01"
    assert run(*FEW, "--seed", "3", "--start", "2024-01-01", "--council", "kent", "--afterwards", "2", "--feed",
               "visits").stdout == found.stdout
    assert all(CloudEvent.model_validate_json(line).id for line in lines if '"care.contact.v1"' in line)
    assert not any(value is None for event in events for value in event["data"].values())


def test_the_staff_and_the_key_are_kept_beside(tmp_path: Path) -> None:
    arguments = (*FEW, "--staff", str(tmp_path / "staff.jsonl"), "--keys", str(tmp_path))
    found = run(*arguments)
    staff = [Staff.model_validate_json(line) for line in (tmp_path / "staff.jsonl").read_text().splitlines()]
    assert {member.role for member in staff} == {"adviser", "manager", "service_manager", "duty"}
    key = load_key(tmp_path, "typical")
    assert {key.who(json.loads(line)["subject"])[0] for line in found.stdout.splitlines()} == {"person"}
    assert run(*arguments).exit_code == 0


def test_a_real_key_is_never_overwritten(tmp_path: Path) -> None:
    path = new_key(tmp_path, "typical")
    before = path.read_bytes()
    found = run(*FEW, "--keys", str(tmp_path))
    assert isinstance(found.exception, UserError)
    assert "not overwritten" in str(found.exception)
    assert path.read_bytes() == before
    assert found.stdout == ""


@pytest.mark.parametrize(("arguments", "says"), [
    (("--preset", "atlantis"), "lancashire-2017, typical, large"),
    (("--council", "No Slug"), "a council is written with"),
    ((*FEW, "--start", "9999-12-30"), "1950 to 2100"),
    ((*FEW, "--start", "0001-01-01"), "1950 to 2100"),
    ((*FEW, "--staff", "/nowhere/staff.jsonl"), "cannot be written"),
])
def test_what_cannot_be_is_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    found = run(*arguments)
    assert isinstance(found.exception, UserError)
    assert says in str(found.exception)
    assert "\n" not in str(found.exception)
    assert found.stdout == ""


@pytest.mark.parametrize("arguments", [("--people", "0"), ("--days", "0"), ("--afterwards", "29"), ("--start", "tomorrow")])
def test_numbers_out_of_range_are_refused(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_no_broker_is_said_in_one_line() -> None:
    found = run(*FEW, "--to-kafka", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert isinstance(found.exception, UserError)
    assert "Kafka does not answer at 127.0.0.1:1" in str(found.exception)


def test_into_kafka(kafka: KafkaSettings, topics: tuple[Topic, ...]) -> None:
    found = run(*FEW, "--to-kafka", "--feed", "visits", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers)
    assert found.exit_code == 0, found.exception
    simulation = made_up(TYPICAL, people=4, days=60, feeds=("visits",))
    partitions = next(topic.partitions for topic in topics if topic.name == EVENTS)
    written: dict[bytes | None, list[Record]] = defaultdict(list)
    for record in read_to_end(kafka, EVENTS):
        written[record.key].append(record)
    expected: dict[bytes, list[bytes]] = defaultdict(list)
    for arrival in simulation:
        expected[arrival.event.subject.encode()].append(to_json(arrival.event))
    manifests = expected.pop(b"feed:typical/visits")
    in_partition = defaultdict(list)
    for record in written.pop(b"feed:typical/visits"):
        in_partition[record.partition].append(record.value)
    assert dict(in_partition) == dict.fromkeys(range(partitions), manifests)
    assert {key: [record.value for record in found] for key, found in written.items()} == expected
    assert all(len({record.partition for record in found}) == 1 for found in written.values())
    staff = {record.key: record.value for record in read_to_end(kafka, STAFF)}
    assert staff == {member.worker_ref.encode(): to_json(member) for member in simulation.staff}
    total = sum(map(len, written.values())) + partitions * len(manifests) + len(staff)
    assert f"{total} records written" in found.stderr


def test_a_topic_that_is_missing_is_said_in_one_line(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[sending.__module__], "EVENTS", "care.nowhere.v1")
    with pytest.raises(TopicMissing, match=r"no topic care.nowhere.v1: create the topics first"), sending(kafka):
        pass


def test_what_kafka_does_not_take_is_said_in_one_line(kafka: KafkaSettings, topics: tuple[Topic, ...]) -> None:
    event = next(iter(made_up(TYPICAL, people=1, days=1))).event
    too_large = event.model_copy(update={"source": "x" * 2_000_000})
    with pytest.raises(UserError, match="Kafka did not take 1 records"), sending(kafka) as sender:
        sender.event(too_large)
