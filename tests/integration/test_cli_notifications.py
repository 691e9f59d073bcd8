"""`keepintouch alerts` and `keepintouch notifications` on a real Apache Kafka."""
from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepintouch.runtime import topics as t
from keepintouch.runtime.kafka import KafkaSettings, producer, read_to_end
from schemas.actions import AlertAction
from schemas.notifications import Notification
from tests.reference.command import Ran, keepintouch
from tests.unit.notifier.world import TUESDAY, alert, at, councils_file, ended, everybody

ONE, TWO, OVER = alert("p1"), alert("p2", adviser_ref="demo:ben"), alert("p3")
NINE = at(TUESDAY, "09:00")


def told(record: Any, step: str, state: str, minutes: int, reason: str | None = None, **more: Any) -> Notification:
    return Notification.model_validate({
        "notification_id": f"{record.alert_id}/{step}", "alert_ids": [record.alert_id], "recipient_ref": "demo:ada", "step": step,
        "state": state, "at": NINE + timedelta(minutes=minutes), "reason": reason} | more)


@pytest.fixture(autouse=True)
def _surroundings(kafka: KafkaSettings, topics: tuple[t.Topic, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("COUNCILS_FILE", str(councils_file(tmp_path)))
    monkeypatch.setenv("KEEPINTOUCH_DEMO", "1")
    monkeypatch.setenv("KEEPINTOUCH_CLOCK", "2026-03-10T12:00:00Z*1")
    records: list[tuple[Any, Notification]] = [
        (ONE, told(ONE, "1", "held", 1, "storm")), (TWO, told(TWO, "1", "held", 1, "storm")),
        (TWO, told(TWO, "1", "sending", 5, channel="sms", provider="twilio", ref="K7QX")),
        (TWO, told(TWO, "1", "delivered", 6, channel="sms", provider="twilio", ref="K7QX")),
        (OVER, told(OVER, "1", "held", 1, "outside_hours"))]
    with contextlib.closing(producer(kafka)) as to:
        for record in (ONE, TWO, OVER, ended(OVER), OVER):   # the last is stale
            to.send(t.ALERTS, key=str(record.alert_id).encode(), value=record.model_dump_json().encode())
        for member in everybody():
            to.send(t.STAFF, key=member.worker_ref.encode(), value=member.model_dump_json(by_alias=True).encode())
        for record, notification in records:
            to.send(t.NOTIFICATIONS, key=str(record.alert_id).encode(), value=notification.model_dump_json().encode())
        to.send(t.NOTIFICATIONS, key=b"nonsense", value=b"{}")
        to.flush(timeout=30)


def run(*arguments: str, status: int = 0) -> Ran:
    ran = keepintouch(*arguments)
    assert ran.status == status, ran.err + ran.out
    assert "Traceback" not in ran.err
    return ran


def actions(kafka: KafkaSettings) -> list[AlertAction]:
    return [AlertAction.model_validate_json(record.value or b"") for record in read_to_end(kafka, t.ALERT_ACTIONS)]


def test_what_is_open_what_is_held_and_the_story_of_one(kafka: KafkaSettings) -> None:
    lines = [json.loads(line) for line in run("alerts", "list", "--json").out.splitlines()]
    assert {line["alert_id"] for line in lines} == {str(ONE.alert_id), str(TWO.alert_id)}
    assert "demo:ben" in run("alerts", "list", "--adviser", "demo:ben").out
    assert str(OVER.alert_id) in run("alerts", "list", "--all").out
    assert "rule: visit_overdue\n" in run("alerts", "show", str(ONE.alert_id)).out

    assert [json.loads(line) for line in run("notifications", "held", "--json").out.splitlines()] == [
        {"council": "demo", "reason": "storm", "step": "1", "alerts": 1, "since": "2026-03-10T09:01:00+00:00"}]
    assert "too much at once: it waits to be released" in run("notifications", "held").out

    run("alerts", "act", str(TWO.alert_id)[:9], "snooze", "--until", "2026-03-20", "--as", "demo:ben")
    story = run("notifications", "show", str(TWO.alert_id)).out.splitlines()
    assert [line.split("  ")[1].strip() for line in story[3:]] == [
        "opened: visit_overdue", "step 1: held", "step 1: sending", "step 1: delivered", "snooze until 2026-03-20"]
    assert "2026-03-10 09:06:00" in story[6]
    assert "sms by twilio, Ref K7QX" in story[6]


def test_acting_and_releasing_write_one_action_each(kafka: KafkaSettings) -> None:
    run("alerts", "act", str(ONE.alert_id), "review", "--note", "supervision", "--as", "demo:mia")
    run("alerts", "act", str(ONE.alert_id), "acknowledge")
    run("notifications", "release", "--as", "demo:sam", "--yes")
    done = actions(kafka)
    assert [(each.action, each.actor_ref, each.via, each.note_code) for each in done] == [
        ("review", "demo:mia", "cli", "supervision"), ("acknowledge", "demo:duty", "cli", None),
        ("release", "demo:sam", "cli", None)]
    assert {each.alert_id for each in done} == {ONE.alert_id}


@pytest.mark.parametrize(("arguments", "said"), [
    (("alerts", "act", "{}", "dance"), "is no action"), (("alerts", "act", "{}", "snooze"), "needs --until"),
    (("alerts", "act", "{}", "snooze", "--until", "2026-03-09"), "is past"),
    (("alerts", "act", "{}", "snooze", "--until", "soon"), "is no date"),
    (("alerts", "act", "{}", "refused", "--until", "2026-03-12"), "--until is for"),
    (("alerts", "act", "{}", "refused", "--note", "supervision"), "--note is for review"),
    (("alerts", "act", "{}", "refused", "--as", "demo:who"), "nobody of that ref"),
    (("alerts", "act", "{}", "refused", "--as", "other:ada"), "member of staff of demo"),
    (("alerts", "act", str(OVER.alert_id), "refused"), "has ended"), (("alerts", "show", "ffffffff"), "no such alert"),
    (("notifications", "release", "--council", "other", "--yes"), "not in the councils file"),
    (("notifications", "release", "--as", "demo:sam"), "--yes"),
])
def test_mistakes_are_one_line(kafka: KafkaSettings, arguments: tuple[str, ...], said: str) -> None:
    ran = run(*(each.replace("{}", str(ONE.alert_id)) for each in arguments), status=2)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert actions(kafka) == []
