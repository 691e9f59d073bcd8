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
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.settings import load_settings
from services.notifier.channels.twilio import TwilioChannel
from services.notifier.database import only_instance
from services.notifier.main import configuration
from services.notifier.settings import NotifierSettings
from tests.standins.notify import KEY
from tests.unit.notifier.world import councils_file

ALL = {"NOTIFY_API_KEY": KEY, "NOTIFY_TEXT_TEMPLATE": "t", "NOTIFY_EMAIL_TEMPLATE": "e", "SMTP_URL": "smtp://u:p@mail",
       "SMTP_FROM": "contact@example.gov.uk"}
SAFE = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "token", "TWILIO_FROM": "+447700900000",
        "PUBLIC_BASE_URL": "https://notifier.example.gov.uk"}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that sets the environment to something safe but for what is given, and changes the council."""
    def give(environ: dict[str, str] | None = None, **council: object) -> Path:
        for name in [*os.environ]:
            if name.startswith(("NOTIFIER_", "TWILIO_", "NOTIFY_", "SMTP_", "PUBLIC_", "KEEPINTOUCH_", "KAFKA_", "COUNCIL")):
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
    assert {place: [each.provider for each in channels] for place, channels in made.providers.channels.items()} == {
        ("demo", "sms"): ["twilio"], ("demo", "email"): []}
    assert made.settings.notifier_trial == "on"   # until it is switched off, nobody is texted
    assert made.settings.notifier_gather == timedelta(seconds=60)


def test_what_is_empty_is_not_set_and_how_it_is_written_does_not_matter(given: Callable[..., Path]) -> None:
    given({"NOTIFIER_GATHER": "", "NOTIFIER_HTTP_PORT": "", "KEEPINTOUCH_DEMO": "", "NOTIFIER_TRIAL": ""})
    made = configuration().settings
    assert (made.notifier_gather, made.notifier_http_port, made.demo, made.notifier_trial) == (
        timedelta(seconds=60), 8102, False, "on")
    given({"NOTIFIER_TRIAL": "OFF"})
    assert configuration().settings.notifier_trial == "off"


def test_a_short_lease_goes_with_a_short_call(given: Callable[..., Path]) -> None:
    given({"NOTIFIER_LEASE": "3s", "NOTIFIER_HTTP_TIMEOUT": "1s"})
    assert configuration().settings.notifier_lease == timedelta(seconds=3)


@pytest.mark.parametrize(("environ", "council", "said"), [
    ({"PUBLIC_BASE_URL": "http://notifier.example.gov.uk"}, {}, "PUBLIC_BASE_URL is plain http"),
    ({"TWILIO_BASE_URL": "http://127.0.0.1:1"}, {}, "TWILIO_BASE_URL is plain http"),
    ({"NOTIFY_BASE_URL": "http://127.0.0.1:1"}, {}, "NOTIFY_BASE_URL is plain http"),
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
    ({"NOTIFIER_HOURLY_CAP": "0"}, {}, "NOTIFIER_HOURLY_CAP"),
    ({}, {"channels": {"sms": ["notify"]}}, "council demo sends by notify: set NOTIFY_API_KEY"),
    ({"NOTIFY_API_KEY": KEY}, {"channels": {"sms": ["notify"]}}, "set NOTIFY_TEXT_TEMPLATE"),
    (ALL | {"NOTIFY_CALLBACK_TOKEN": "short"}, {"channels": {"sms": ["notify"]}}, "NOTIFY_CALLBACK_TOKEN: give at least 10"),
    ({}, {"channels": {"email": ["smtp"]}}, "council demo sends by smtp: set SMTP_URL"),
    ({}, {"ladder": "other"}, "council demo: ladder: there is no ladder"),
])
def test_mistakes_are_named(
        given: Callable[..., Path], environ: dict[str, str], council: dict[str, object], said: str) -> None:
    given(environ, **council)
    with pytest.raises(UserError, match=said):
        configuration()


def test_providers_stand_in_the_councils_order_each_with_what_it_needs(given: Callable[..., Path]) -> None:
    given(ALL | {"NOTIFY_CALLBACK_TOKEN": "the-old-token, the-new-token", "TWILIO_AUTH_TOKEN_SECONDARY": "next"},
          channels={"sms": ["notify", "twilio"], "email": ["smtp", "notify"]})
    made = configuration().providers
    assert {kind: [each.provider for each in channels] for (_, kind), channels in made.channels.items()} == {
        "sms": ["notify", "twilio"], "email": ["smtp", "notify"]}
    assert [each.get_secret_value() for each in made.notify_tokens["demo"]] == ["the-old-token", "the-new-token"]
    assert [each.get_secret_value() for each in made.twilio_tokens["demo"]] == ["token", "next"]
    assert made.notify["demo"] is made.channels["demo", "sms"][0] is made.channels["demo", "email"][1]


def test_with_an_api_key_alone_no_callback_is_asked_for_as_none_could_be_believed(given: Callable[..., Path]) -> None:
    given({"TWILIO_AUTH_TOKEN": "", "TWILIO_API_KEY": "SK1", "TWILIO_API_SECRET": "s"})
    made = configuration().providers
    [twilio] = made.channels["demo", "sms"]
    assert isinstance(twilio, TwilioChannel)
    assert twilio.callback_base is None
    assert made.twilio_tokens == {"demo": []}


def test_who_may_get_something_in_trial(given: Callable[..., Path]) -> None:
    given({"NOTIFIER_TRIAL_ALLOW": " +447700900001, ada@example.gov.uk ,"})
    settings = load_settings(NotifierSettings)
    assert settings.may_get("+447700900001")
    assert settings.may_get("Ada@Example.gov.uk")
    assert not settings.may_get("+447700900002")
    assert not settings.may_get("")
    given({"NOTIFIER_TRIAL": "off"})
    assert load_settings(NotifierSettings).may_get("+447700900002")


def test_one_file_has_one_notifier_and_the_next_may_start_when_it_has_ended(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/folder/notifier.db"
    with only_instance(url):
        script = f"from services.notifier.database import only_instance\nwith only_instance({url!r}): print('in')"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert other.stdout == ""
        assert f"another notifier works with {tmp_path}/folder/notifier.db: end it first" in other.stderr
    with only_instance(url), only_instance(f"sqlite:///{tmp_path}/other.db"), only_instance("postgresql+psycopg://x/y"):
        pass


@pytest.mark.slow
def test_one_clear_line_and_exit_status_2(given: Callable[..., Path]) -> None:
    given({"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"})
    done = subprocess.run([sys.executable, "-m", "services.notifier"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("notifier: Kafka does not answer")
    assert "Traceback" not in done.stdout + done.stderr
    assert "token" not in done.stdout
