"""docker-compose.yml: sound, closed, and in agreement with the services. Nothing here starts a container."""
from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepintouch.runtime.access import load_access
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from tests.unit.deploy.told import ROOT, SERVICES, knows, port_variable, settings_class

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ALL: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()


def test_the_linters_find_nothing() -> None:
    for command in (["node_modules/.bin/dclint", "--max-warnings", "0", "docker-compose.yml"],
                    [".venv/bin/hadolint", "Dockerfile"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_run_as_its_code_says(service: str) -> None:
    told = ALL[service]
    assert told["command"] == ["python", "-m", f"services.{service}"]
    unknown = {name for name in told["environment"] if not knows(service, name)}
    assert not unknown
    assert told["environment"][port_variable(service)] == str(SERVICES[service])
    assert told["environment"][f"{service.upper()}_HTTP_HOST"] == "0.0.0.0"   # or no other container could ask
    assert f"http://127.0.0.1:{SERVICES[service]}/readyz" in told["healthcheck"]["test"][-1]
    assert told["environment"]["KAFKA_SASL_USERNAME"] in {principal.name for principal in load_access()}
    assert f"./deploy/secrets/{told['environment']['KAFKA_SASL_USERNAME']}:/run/secrets:ro" in told["volumes"]


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_closed_bounded_and_pinned(name: str) -> None:
    told = ALL[name]
    assert (told["read_only"], told["cap_drop"], told["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert re.fullmatch(r"[1-9]\d*:\d+", told["user"])
    assert set(told["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    lasts = name not in ("topics", "operator")
    assert told["restart"] == "unless-stopped" or not lasts
    assert ("healthcheck" in told) == lasts
    assert not re.search(r":(latest)?$|^[^:]+$", told["image"])
    assert not told.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in told.get("ports", []))
    for volume in told.get("volumes", []):
        assert volume.endswith(":ro") or volume.split(":")[0] in COMPOSE["volumes"], volume


def test_our_image_is_neither_fetched_nor_made_anew_by_whatever_command() -> None:
    ours = [told for told in ALL.values() if told["image"].startswith("keep-in-touch:")]
    assert len(ours) == len(SERVICES) + 2   # and topics, and the operator
    assert {(told["pull_policy"], told["build"]["context"]) for told in ours} == {("never", ".")}


def test_no_secret_is_in_the_environment() -> None:
    for name, told in ALL.items():
        for variable in told.get("environment", {}):
            assert not re.search(r"(PASSWORD|TOKEN|SECRET|API_KEY|SMTP_URL|DATABASE_URL)$", variable), (name, variable)


def test_the_monitor_reaches_kafka_and_nothing_outside() -> None:
    assert all(COMPOSE["networks"][network]["internal"] for network in ALL["contact_monitor"]["networks"])
    assert [name for name, told in ALL.items() if "database" in told["networks"]] == [
        "postgres", "notifier", "intake", "operator"]


def test_the_operators_command_line_is_there_when_asked_for_and_leads_everywhere_it_must() -> None:
    """Kafka as the operator, the gateway's database to erase and for API keys, the services to try them."""
    told = ALL["operator"]
    assert (told["profiles"], told["entrypoint"]) == (["tools"], ["python", "-m", "keepintouch"])
    assert told["environment"]["KAFKA_SASL_USERNAME"] == "operator"
    assert "./deploy/secrets/operator:/run/secrets:ro" in told["volumes"]
    assert "./deploy/secrets/keys" not in str(told["volumes"])   # who runs it does not learn who a ref is
    assert all(COMPOSE["networks"][network]["internal"] for network in told["networks"])
    assert {"kafka", "metrics"} <= set(told["networks"])


def test_what_may_be_set_is_in_the_example_and_nothing_else() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert used - {"KEEPINTOUCH_VERSION"} == set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def test_the_kafka_that_is_tested_is_the_one_that_is_run() -> None:
    version = re.search(r"<kafka\.version>(.+?)<", (ROOT / "deploy" / "kafka" / "pom.xml").read_text())
    assert version is not None
    assert ALL["kafka"]["image"] == f"apache/kafka:{version[1]}"
    # The files that secured.properties names are those mounted.
    properties = (ROOT / "deploy" / "kafka" / "secured.properties").read_text()
    mounted = {volume.split(":")[1] for volume in ALL["kafka"]["volumes"]}
    assert {line.split("=")[1] for line in properties.splitlines() if re.match(r"log\.dirs|ssl\..*location", line)} <= mounted


def test_the_first_secrets_are_all_that_compose_mounts(tmp_path: Path) -> None:
    """In a copy, so that nobody's own are touched."""
    for folder in ("scripts", "deploy/kafka"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for _ in range(2):   # a second time nothing changes and nothing fails
        subprocess.run([tmp_path / "scripts" / "first-secrets.sh"], check=True, capture_output=True)
    secrets = tmp_path / "deploy" / "secrets"
    mounted = {volume.split(":")[0] for told in ALL.values() for volume in told.get("volumes", [])
               if volume.startswith("./deploy/secrets")}
    assert mounted
    for path in mounted:
        assert (tmp_path / path).exists(), path
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert (secrets / "notifier" / "KAFKA_SASL_PASSWORD").read_text() == (
        secrets / "administrator" / "passwords" / "notifier").read_text()
    for service in ("notifier", "intake"):
        password = (secrets / "postgres" / service).read_text().strip()
        url = (secrets / service / f"{service.upper()}_DATABASE_URL").read_text().strip()
        assert url == f"postgresql+psycopg://{service}:{password}@postgres/{service}"
    # No service gets the authority's key, or another's password.
    assert list(secrets.rglob("ca.key")) == [secrets / "kafka" / "ca.key"]
    assert sorted(path.name for path in (secrets / "board").iterdir()) == ["KAFKA_SASL_PASSWORD", "ca.pem"]
    assert sorted(path.name for path in (secrets / "operator").iterdir()) == [
        "INTAKE_DATABASE_URL", "KAFKA_SASL_PASSWORD", "ca.pem"]


def test_the_image_holds_what_runs_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    wanted = {source for line in copied for source in line.split()}
    assert wanted == {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / source).exists() for source in wanted)


def test_the_services_lock_is_part_of_the_whole_lock() -> None:
    """What the image installs is, hash by hash, what the tests ran on."""
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / name).read_text()
        return {match[1]: match[0] for match in re.finditer(r"^(\S+)==(?:.*\\\n)+.*$", text, re.MULTILINE)}

    services, everything = pins("requirements-services.lock"), pins("requirements.lock")
    assert {"kafka-python", "faust-streaming", "alembic", "authlib"} <= services.keys()
    assert {"pytest", "mypy", "mkdocs-material"} & services.keys() == set()
    assert {name: everything.get(name) for name in services} == services


@pytest.mark.slow
def test_everything_starts_with_the_packages_in_the_image_alone() -> None:
    """Packages that are here for tests, and not in requirements-services.lock, are hidden."""
    modules = [*(f"services.{service}.main" for service in SERVICES), "keepintouch.cli"]
    program = f"""
import importlib, importlib.metadata as m, re, sys
lock = {{re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in open("requirements-services.lock") if "==" in line}}
shipped = lambda name: re.sub(r"[-_.]+", "-", name).lower() in lock | {{"keep-in-touch"}}
hidden = {{top for top, owners in m.packages_distributions().items() if not any(map(shipped, owners))}}
class Hide:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{{name}} is not in the image", name=name)
sys.meta_path.insert(0, Hide())
assert "pytest" in hidden and "kafka" not in hidden
for module in {modules}:
    importlib.import_module(module)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_settings_take_what_compose_gives_by_default(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With .env as the example has it: what is left empty there is as if it were left out."""
    given = {**os.environ, **dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))}
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "KAFKA_SASL_PASSWORD").write_text("from its file")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "")   # put back as it was afterwards
    for name, value in ALL[service]["environment"].items():
        told = re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda match: given.get(match[1]) or match[2], value)
        monkeypatch.setenv(name, told.replace("/run/secrets", str(tmp_path)).replace(
            "/etc/keep-in-touch/councils.yaml", str(ROOT / "deploy" / "councils.yaml")))
    settings, kafka = load_settings(settings_class(service)), load_settings(KafkaSettings)
    assert kafka.sasl_password is not None
    assert kafka.sasl_password.get_secret_value() == "from its file"
    assert [value for value in settings.model_dump().values() if value == ""] == []
