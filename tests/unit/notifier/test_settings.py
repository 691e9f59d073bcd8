"""What the notifier refuses to start with, and how it says so."""
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.settings import load_settings
from services.notifier.main import configuration
from services.notifier.settings import NotifierSettings
from tests.processes import free_port
from tests.unit.notifier.world import councils_file

SAFE = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "token", "TWILIO_FROM": "+447700900000",
        "PUBLIC_BASE_URL": "https://notifier.example.gov.uk"}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that sets the environment to something safe but for what is given, and changes the council."""
    def give(environ: dict[str, str] | None = None, **council: object) -> Path:
        for name in [*os.environ]:
            if name.startswith(("NOTIFIER_", "TWILIO_", "PUBLIC_", "KEEPINTOUCH_", "KAFKA_", "COUNCIL")):
                monkeypatch.delenv(name)
        file = councils_file(tmp_path)
        raw = yaml.safe_load(file.read_text())
        raw["councils"]["demo"].update(council)
        file.write_text(yaml.safe_dump(raw))
        for name, value in (SAFE | {"COUNCILS_FILE": str(file)} | (environ or {})).items():
            monkeypatch.setenv(name, value)
        return file

    return give


def test_what_is_safe_is_taken(given: Callable[..., Path]) -> None:
    given()
    made = configuration()
    assert list(made.channels) == [("demo", "sms")]
    assert made.settings.notifier_trial == "on"   # until it is switched off, nobody is texted
    assert made.settings.notifier_gather == timedelta(seconds=60)


@pytest.mark.parametrize(("environ", "council", "said"), [
    ({"PUBLIC_BASE_URL": "http://notifier.example.gov.uk"}, {}, "PUBLIC_BASE_URL is plain http"),
    ({"TWILIO_BASE_URL": "http://127.0.0.1:1"}, {}, "TWILIO_BASE_URL is plain http"),
    ({}, {"sign_in": "http://contact.example.gov.uk"}, "council demo: sign_in: is plain http"),
    ({}, {"channels": {"sms": ["console"]}}, "council demo: channels: console sends nothing"),
    ({"KEEPINTOUCH_CLOCK": "+5d"}, {}, "KEEPINTOUCH_CLOCK is for demos"),
])
def test_what_is_unsafe_is_refused_outside_a_demo(
        given: Callable[..., Path], environ: dict[str, str], council: dict[str, object], said: str) -> None:
    given(environ, **council)
    with pytest.raises(UserError, match=said):
        configuration()
    given(environ | {"KEEPINTOUCH_DEMO": "1"}, **council)
    configuration()


@pytest.mark.parametrize(("environ", "council", "said"), [
    ({"TWILIO_FROM": ""}, {}, "TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM"),
    ({"NOTIFIER_LEASE": "15s"}, {}, "NOTIFIER_LEASE"),
    ({"NOTIFIER_GATHER": "a minute"}, {}, "NOTIFIER_GATHER"),
    ({"NOTIFIER_TRIAL": "maybe"}, {}, "NOTIFIER_TRIAL"),
    ({"NOTIFIER_HTTP_TIMEOUT": "0s"}, {}, "NOTIFIER_HTTP_TIMEOUT"),
    ({"PUBLIC_BASE_URL": "notifier"}, {}, "PUBLIC_BASE_URL"),
    ({}, {"channels": {"sms": []}}, "name at least one provider"),
    ({}, {"channels": {"sms": ["notify"]}}, "notify is not supported yet"),
    ({}, {"ladder": "other"}, "council demo: ladder: there is no ladder"),
])
def test_mistakes_are_named(
        given: Callable[..., Path], environ: dict[str, str], council: dict[str, object], said: str) -> None:
    given(environ, **council)
    with pytest.raises(UserError, match=said):
        configuration()


def test_who_may_get_something_in_trial(given: Callable[..., Path]) -> None:
    given({"NOTIFIER_TRIAL_ALLOW": " +447700900001, ada@example.gov.uk ,"})
    settings = load_settings(NotifierSettings)
    assert settings.may_get("+447700900001")
    assert settings.may_get("ada@example.gov.uk")
    assert not settings.may_get("+447700900002")
    assert not settings.may_get("")
    given({"NOTIFIER_TRIAL": "off"})
    assert load_settings(NotifierSettings).may_get("+447700900002")


@pytest.mark.slow
def test_one_clear_line_and_exit_status_2(given: Callable[..., Path]) -> None:
    given({"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"})
    done = subprocess.run([sys.executable, "-m", "services.notifier"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("notifier: Kafka does not answer")
    assert "Traceback" not in done.stdout + done.stderr
    assert "token" not in done.stdout
