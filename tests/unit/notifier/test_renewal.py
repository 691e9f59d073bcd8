"""New credentials are taken up while the service runs; what is no good changes nothing."""
from __future__ import annotations

from pathlib import Path

import pytest
from notifications_python_client.notifications import NotificationsAPIClient

from keepintouch.councils import load_councils
from keepintouch.runtime.settings import Secrets, take_secrets
from services.notifier import providers
from services.notifier.channels.notify import NotifyChannel
from services.notifier.channels.twilio import TwilioChannel
from services.notifier.providers import Providers
from services.notifier.renewal import Renewal
from services.notifier.settings import Environment, NotifierSettings
from tests.standins.notify import KEY, TEXT_TEMPLATE
from tests.unit.notifier.world import councils_file


class Running:
    """Providers in use, and what is said to have changed."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        environ = {"SECRETS_DIR": str(secrets), "TWILIO_ACCOUNT_SID": "AC0", "TWILIO_FROM": "+447700900000",
                   "NOTIFY_TEXT_TEMPLATE": TEXT_TEMPLATE}
        take_secrets(environ)
        councils = load_councils(councils_file(folder, {"channels": {"sms": ["twilio", "notify"]}}))
        self.changed = 0

        def build() -> Providers:
            return providers.build(NotifierSettings(), councils, Environment(environ))

        self.providers = build()
        self.renewal = Renewal(Secrets(environ), self.providers, build, self.note)
        self.sms, self.tokens = self.providers.channels, self.providers.twilio_tokens   # as everybody has them

    def note(self) -> None:
        self.changed += 1

    def look(self) -> None:
        for _ in range(2):
            self.renewal.run_once()

    @property
    def password(self) -> str:
        [twilio, _] = self.sms["demo", "sms"]
        assert isinstance(twilio, TwilioChannel)
        return twilio.account.password.get_secret_value()

    @property
    def key(self) -> str:
        notify = self.providers.notify["demo"]
        assert isinstance(notify, NotifyChannel)
        assert notify is self.sms["demo", "sms"][1]
        client: NotificationsAPIClient = notify._client()
        return str(client.api_key)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "TWILIO_AUTH_TOKEN").write_text("old")
    (folder / "NOTIFY_API_KEY").write_text(KEY)
    return folder


def test_whoever_has_the_old_ones_has_the_new_ones(tmp_path: Path, secrets: Path) -> None:
    running = Running(tmp_path, secrets)
    running.look()
    assert (running.password, running.key, running.changed) == ("old", KEY[-36:], 0)
    (secrets / "TWILIO_AUTH_TOKEN").write_text("new\n")
    (secrets / "NOTIFY_API_KEY").write_text(KEY[:-1] + "0")
    running.look()
    assert (running.password, running.key, running.changed) == ("new", KEY[-36:-1] + "0", 1)
    assert [each.get_secret_value() for each in running.tokens["demo"]] == ["new"]


@pytest.mark.parametrize("text", [b"", b"\xff"])
def test_what_is_no_good_is_said_and_changes_nothing(
        tmp_path: Path, secrets: Path, text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    running = Running(tmp_path, secrets)
    (secrets / "TWILIO_AUTH_TOKEN").write_bytes(text)
    running.look()
    assert (running.password, running.changed) == ("old", 0)
    assert "credentials_not_renewed" in capsys.readouterr().err
    (secrets / "TWILIO_AUTH_TOKEN").write_text("new")
    running.look()
    assert (running.password, running.changed) == ("new", 1)
