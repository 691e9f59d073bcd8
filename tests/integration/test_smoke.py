"""`keepintouch smoke` beside real services that run as they do outside a demo: what it follows, and what it says of a fault."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import ALERTS, Topic, people_changelog
from keepintouch.smoke import SOURCE
from keepintouch.standards import stored
from tests.processes import until
from tests.reference.command import Ran, keepintouch

COUNCILS = {
    "councils": {"smoke-test": {
        "name": "Smoke test", "policy": "standard_8_week", "ladder": "smoke", "fallback": "smoke-test:duty",
        "sign_in": "https://contact.example", "people": 1, "channels": {"sms": ["console"]}}},
    "ladders": {"smoke": {"calendar": "always", "steps": [{"after": "0d", "to": ["adviser"]}]}}}
SERVICES = ("contact_monitor", "notifier", "intake")


@pytest.fixture
def ports(kafka: KafkaSettings, topics: tuple[Topic, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The surroundings of everything that is started, and where each service will listen."""
    (tmp_path / "councils.yaml").write_text(yaml.safe_dump(COUNCILS))
    listening = {service: free_port() for service in SERVICES}
    for name, value in {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "COUNCILS_FILE": str(tmp_path / "councils.yaml"),
            "CONTACT_MONITOR_SETTLE_SECONDS": "0.5", "NOTIFIER_DATABASE_URL": f"sqlite:///{tmp_path / 'notifier.db'}",
            "INTAKE_DATABASE_URL": f"sqlite:///{tmp_path / 'intake.db'}", "NOTIFIER_TRIAL": "off",
            **{f"{service.upper()}_HTTP_PORT": str(port) for service, port in listening.items()}}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KEEPINTOUCH_DEMO", raising=False)
    return listening


def start(children: Supervisor, folder: Path, ports: dict[str, int], *services: str) -> None:
    """Start services and wait until they are ready."""
    for service in services:
        children.start(Child(service, [sys.executable, "-m", f"services.{service}"], folder / f"{service}.log", {},
                             f"http://127.0.0.1:{ports[service]}/readyz"))
    children.wait_ready(*services, within=120)


def stages(ran: Ran) -> list[str]:
    """The stages that came to their end, in order."""
    return [line.split()[1] for line in ran.out.splitlines() if line.startswith("ok ")]


def nobody_is_left(kafka: KafkaSettings) -> bool:
    """Whether each made-up person is forgotten, and each of their alerts has a tombstone."""
    states = {r.key: r.value for r in read_to_end(kafka, people_changelog()) if r.key and r.key.startswith(b"smoke-test:")}
    alerts = {r.key: r.value for r in read_to_end(kafka, ALERTS)}
    return bool(states) and all(value is None or stored.load(value).facts is None for value in states.values()) \
        and bool(alerts) and not any(alerts.values())


def test_through_the_gateway_to_a_message_and_forgotten_and_a_fault_has_its_runbook(
        kafka: KafkaSettings, ports: dict[str, int], children: Supervisor, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    made = keepintouch("sources", "new", "smoke-test", "--source", SOURCE)
    key = next(word for word in made.out.split() if word.startswith("kit_"))
    start(children, tmp_path, ports, *SERVICES)

    url = f"http://127.0.0.1:{ports['intake']}"
    refused = keepintouch("smoke", "--intake", url, "--within", "60s")
    assert refused.status == 1
    assert "the gateway refuses the API key" in refused.err

    monkeypatch.setenv("SMOKE_INTAKE_KEY", key)
    well = keepintouch("smoke", "--intake", url, "--within", "120s")
    assert (well.status, well.err) == (0, "")
    assert stages(well) == ["in", "monitor", "monitor", "notifier", "monitor"]
    assert "the message was delivered, to nobody real" in well.out
    until(lambda: nobody_is_left(kafka))   # Kafka shows what was committed at once one partition after the other

    children.stop("notifier")
    deaf = keepintouch("smoke", "--within", "20s")
    assert deaf.status == 1
    assert stages(deaf) == ["in", "monitor", "monitor"]
    assert "nothing became of the alert within 20 s" in deaf.err
    assert "docs/runbooks/OutboxStuck.md" in deaf.err
    until(lambda: nobody_is_left(kafka))

    monkeypatch.setenv("NOTIFIER_TRIAL", "on")
    start(children, tmp_path, ports, "notifier")
    trial = keepintouch("smoke", "--within", "120s")
    assert trial.status == 0
    assert "held, as trial mode is on" in trial.out

    for line in (tmp_path / "notifier.log").read_text().splitlines():
        assert json.loads(line), "nothing but JSON lines: what goes to nobody is not printed"
