"""What the person who starts the monitor can put right is one line and exit status 2, before anything is begun."""
from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.settings import load_settings
from services.contact_monitor.main import is_news, run
from services.contact_monitor.settings import MonitorSettings

COUNCILS = """
councils:
  lancashire: {name: Lancashire, policy: seen, ladder: one, fallback: "lancashire:duty", sign_in: "https://contact.example",
               channels: {sms: [console]}}
ladders: {one: {calendar: always, steps: [{after: 0d, to: [adviser]}]}}
"""
POLICY = """
id: seen
version: 1
title: Seen
extends: null
standards:
  - {rule: visit_overdue, text: Seen, basis: council, severity: high, needs: {rung: seen}, every: 4w}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "councils.yaml").write_text(COUNCILS)
    (tmp_path / "seen.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNCILS_FILE", "councils.yaml")
    monkeypatch.setenv("POLICIES_DIR", ".")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    return tmp_path


def start() -> None:
    run(load_settings(MonitorSettings), load_settings(KafkaSettings))


def test_a_policy_with_a_mistake(folder: Path) -> None:
    (folder / "seen.yaml").write_text(POLICY.replace("4w", "soon"))
    with pytest.raises(UserError, match=r"councils\.yaml: council lancashire: policy: .*seen\.yaml.*visit_overdue.*every"):
        start()


def test_a_policy_that_is_not_there(folder: Path) -> None:
    (folder / "seen.yaml").unlink()
    with pytest.raises(UserError, match=r"council lancashire: policy: .*seen"):
        start()


def test_a_councils_file_that_is_not_there(folder: Path) -> None:
    (folder / "councils.yaml").unlink()
    with pytest.raises(UserError, match=r"councils\.yaml: cannot be read .*set COUNCILS_FILE"):
        start()


def test_a_setting_that_cannot_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACT_MONITOR_SETTLE_SECONDS", "-1")
    with pytest.raises(UserError, match="CONTACT_MONITOR_SETTLE_SECONDS"):
        start()


def test_another_clock_outside_a_demo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPINTOUCH_CLOCK", "+5d")
    with pytest.raises(UserError, match="KEEPINTOUCH_DEMO"):
        start()


def test_a_broker_that_does_not_answer(folder: Path) -> None:
    with pytest.raises(BrokerUnreachable, match="Kafka does not answer at 127"):
        start()


def test_as_a_process_it_is_one_line_and_status_2(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "services.contact_monitor"], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("contact_monitor: Kafka does not answer at ")
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(("message", "arguments", "news"), [
    ("Group Coordinator Request failed: %s", (CoordinatorNotAvailableError(),), False),
    ("Group Coordinator Request failed: %s", (GroupAuthorizationFailedError("g"),), True),
    ("Heartbeat failed for group %s because it is rebalancing", ("g",), False),
    ("Heartbeat session expired - marking coordinator dead", (), True)])
def test_only_the_usual_noise_of_a_start_is_left_out(message: str, arguments: tuple[object, ...], news: bool) -> None:
    record = logging.LogRecord("aiokafka.consumer.group_coordinator", logging.ERROR, "", 0, message, arguments, None)
    assert is_news(record) is news
