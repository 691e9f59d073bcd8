"""One contact_monitor as a process, for tests of what works beside it; and the same surroundings for the command line."""
from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepintouch.runtime.kafka import KafkaSettings, producer
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import EVENTS
from tests.unit.contact_monitor.events import a_policy

TODAY = datetime(2024, 2, 20, 12, tzinfo=UTC)
NAME = "monitor"


def councils_file(path: Path, slugs: Iterable[str]) -> Path:
    """A councils file with these councils, all under the policy of `a_policy`."""
    councils = {slug: {"name": slug.capitalize(), "policy": "seen", "ladder": "one", "fallback": f"{slug}:duty",
                       "sign_in": "https://contact.example", "channels": {"sms": ["console"]}} for slug in slugs}
    ladder = {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]}
    path.write_text(yaml.safe_dump({"councils": councils, "ladders": {"one": ladder}}))
    return path


def surroundings(kafka: KafkaSettings, folder: Path, monkeypatch: pytest.MonkeyPatch, app_id: str) -> None:
    """Set the environment of this process, and of what it starts, to an afternoon in February 2024 and this broker."""
    a_policy(folder)
    for name, value in {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "CONTACT_MONITOR_APP_ID": app_id, "KEEPINTOUCH_DEMO": "1",
            "KEEPINTOUCH_CLOCK": f"{TODAY.isoformat()}@{datetime.now(UTC).isoformat()}*1", "POLICIES_DIR": str(folder),
            "COUNCILS_FILE": str(councils_file(folder / "councils.yaml", ["lancashire"]))}.items():
        monkeypatch.setenv(name, value)


def start_monitor(children: Supervisor, folder: Path) -> int:
    """Start a monitor in these surroundings, or start it again; returns its port when it is ready."""
    port = free_port()
    children.start(Child(NAME, [sys.executable, "-m", "services.contact_monitor"], folder / "monitor.log", {
        "CONTACT_MONITOR_HTTP_PORT": str(port), "CONTACT_MONITOR_SETTLE_SECONDS": "0.2"}, f"http://127.0.0.1:{port}/readyz"))
    children.wait_ready(NAME, within=120)
    return port


def send(kafka: KafkaSettings, *events: Mapping[str, Any]) -> None:
    """Write events, each under its subject."""
    with contextlib.closing(producer(kafka)) as to:
        for sent in [to.send(EVENTS, json.dumps(each).encode(), str(each["subject"]).encode()) for each in events]:
            sent.get(timeout=30)
