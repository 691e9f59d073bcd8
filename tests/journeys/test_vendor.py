"""Journey 7: a case-system vendor's developer, half a day to the first events. And what the page tells him to type works."""
from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.supervisor import Supervisor
from keepintouch.runtime.topics import EVENTS, STAFF, Topic
from tests.integration.intake_process import Gateway
from tests.integration.monitor_process import send, start_monitor, surroundings
from tests.processes import until
from tests.reference.command import keepintouch
from tests.unit.intake.rig import contact, results

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "post-events.md"
SOURCE = "https://lcs.example.gov.uk"


@pytest.fixture
def gateway(kafka: KafkaSettings, topics: tuple[Topic, ...], tmp_path: Path) -> Iterator[Gateway]:
    with Supervisor(stop_within=60) as children:
        made = Gateway(kafka, children, tmp_path, councils=("lancashire", "other"))
        made.command("keys", "new", "lancashire")
        made.start()
        yield made
    made.check_logs("000123", "000124", "Alex Example", "447700900123")


def blocks(language: str) -> list[str]:
    """The page's examples in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def type_in(command: str, gateway: Gateway) -> Any:
    """What a command prints, as JSON."""
    done = subprocess.run(["bash", "-euc", command], env=os.environ | {"INTAKE": gateway.url, "KEY": gateway.key},
                          capture_output=True, timeout=120, check=True)
    return orjson.loads(done.stdout)


def test_what_the_page_tells_to_type_works(gateway: Gateway) -> None:
    one, batch, complete, staff, letters = (type_in(each, gateway) for each in blocks("sh"))
    assert [one, batch] == [orjson.loads(each) for each in blocks("json")]
    assert [each["result"] for said in (complete, staff) for each in said["results"]] == ["accepted", "accepted"]
    assert letters["sources"][0]["share_bad"] == 0.25
    events = {orjson.loads(each.value or b"")["id"] for each in gateway.on(EVENTS) if b"feed:" not in (each.key or b"")}
    assert events == {"cn-4471902-1"}
    [member] = gateway.on(STAFF)
    assert gateway.command("who", (member.key or b"").decode()) == "W22"


def test_the_page_leads_to_all_there_is_to_read_and_its_command_finds_what_the_gateway_would_refuse(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page)}
    assert {"../../schemas/asyncapi.yaml", "../../schemas/json/", "../../schemas/examples/"} <= links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    [command] = re.findall(r"^keepintouch (evaluate .*) events\.jsonl > /dev/null$", page, re.MULTILINE)
    batch = orjson.loads(blocks("sh")[1].split(" -d '")[1].rsplit("'", 1)[0])
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, batch)))
    ran = keepintouch(*command.split(), str(tmp_path / "events.jsonl"))
    refused = orjson.loads(blocks("json")[1])["results"][1]
    assert (ran.status, ran.err) == (0, f"line 2: {refused['reason']}: {refused['detail']}\n"), "what the page says of the batch"


def test_from_the_document_to_the_first_events_and_what_was_wrong_with_them(
        gateway: Gateway, kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # He reads what there is, and finds an example that is taken as it stands.
    document = gateway.get("/openapi.json", key="").json()
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    example = body["application/cloudevents-batch+json"]["example"]
    theirs = gateway.new_key("lancashire", *{each["source"] for each in example})
    until(lambda: gateway.post([], theirs).status_code == 202)
    assert results(gateway.post(example, theirs)) == ["accepted"] * len(example)
    meant = document["components"]["schemas"]["Contact"]["properties"]
    assert all(meant[name].get("description") or "enum" in meant[name] for name in contact()["data"]), meant

    # He posts a batch with his own ids, and is told of each record what was wrong with which field.
    wrong = [contact(1, "000123", worker_ref="W22"), contact(2, "000123", worker_ref=None, channel="Telephone"),
             contact(3, "", worker_ref=None), contact(4, "000124", worker_ref=None, occurred_at="02/03/2026 14:00"),
             contact(5, "000124", worker_ref=None, note="He was fine.")]
    answer = gateway.post(wrong, headers={"Refs": "case-ids"})
    assert answer.status_code == 207
    assert [(each["result"], each.get("field"), each.get("left_out")) for each in answer.json()["results"]] == [
        ("accepted", None, None), ("refused", "data.channel", None), ("refused", "data.person_ref", None),
        ("refused", "data.occurred_at", None), ("accepted", None, ["data.note"])]
    # He mends them and posts all again: nothing is there twice.
    wrong[1]["data"]["channel"], wrong[3]["data"]["occurred_at"] = "phone", "2026-03-02T14:00:00Z"
    answer = gateway.post([each for each in wrong if each["id"] != "c3"], headers={"Refs": "case-ids"})
    assert (answer.status_code, results(answer)) == (202, ["repeated", "accepted", "accepted", "repeated"])
    mine = [orjson.loads(each.value or b"")["id"] for each in gateway.on(EVENTS)
            if orjson.loads(each.value or b"")["source"] == SOURCE]
    assert sorted(mine) == ["c1", "c2", "c4", "c5"]

    # What another part of his system wrote past the gateway, and the monitor did not accept, he hears of as well.
    beside = tmp_path / "monitor"
    beside.mkdir()
    surroundings(kafka, beside, monkeypatch, "contact-monitor")
    monkeypatch.delenv("KEEPINTOUCH_CLOCK")   # it is today for both
    start_monitor(gateway.children, beside)
    send(kafka, contact(9, "lancashire:p1", outcome="rang off"))
    until(lambda: gateway.get("/v1/dead-letters").json()["sources"][0]["dead_letters"] == 1)
    said = gateway.get("/v1/dead-letters").json()
    assert [(each["where"], each["id"], each["field"]) for each in said["newest"][:1]] == [("topic", "c9", "data.outcome")]
    assert said["sources"][0] == {"source": SOURCE, "events": 9, "accepted": 4, "repeated": 2, "refused": 3, "dead_letters": 1,
                                  "share_bad": 0.4444, "reasons": {"schema": 3}}
    assert gateway.get("/v1/dead-letters", theirs).json()["newest"] == []
