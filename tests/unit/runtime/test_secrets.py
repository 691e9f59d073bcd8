"""Secrets that come as files."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import Secrets, load_settings, take_secrets


def test_a_file_named_like_a_variable_sets_it_and_what_is_set_stays(tmp_path: Path) -> None:
    for name, text in (("TWILIO_AUTH_TOKEN__LANCASHIRE", "one\n"), ("SMTP_URL", "two"), ("EMPTY", "three"), ("..data", "no"),
                       ("notes.txt", "no")):
        (tmp_path / name).write_text(text)
    environ = {"SECRETS_DIR": str(tmp_path), "SMTP_URL": "mine", "EMPTY": ""}
    take_secrets(environ)
    assert environ == {"SECRETS_DIR": str(tmp_path), "SMTP_URL": "mine", "EMPTY": "three",
                       "TWILIO_AUTH_TOKEN__LANCASHIRE": "one"}


def test_settings_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "")   # put back as it was afterwards
    monkeypatch.delenv("KAFKA_SASL_PASSWORD")
    (tmp_path / "KAFKA_SASL_PASSWORD").write_text("open sesame")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "board")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    password = load_settings(KafkaSettings).sasl_password
    assert password is not None
    assert password.get_secret_value() == "open sesame"


def test_a_file_that_changes_is_taken_up_once_it_is_written_to_its_end(tmp_path: Path) -> None:
    mine, theirs, fresh = (tmp_path / name for name in ("TOKEN", "SET", "FRESH"))
    mine.write_text("old")
    theirs.write_text("in the file")
    environ = {"SECRETS_DIR": str(tmp_path), "SET": "otherwise"}
    take_secrets(environ)
    secrets = Secrets(environ)
    assert [secrets.renew() for _ in range(3)] == [False] * 3
    mine.write_text("")   # somebody is just writing it
    assert not secrets.renew()
    mine.write_text("new\n")
    theirs.write_text("changed")
    fresh.write_text("another")
    assert [secrets.renew() for _ in range(3)] == [False, True, False]
    assert environ == {"SECRETS_DIR": str(tmp_path), "SET": "otherwise", "TOKEN": "new", "FRESH": "another"}
    fresh.unlink()
    assert [secrets.renew() for _ in range(2)] == [False, True]
    assert "FRESH" not in environ


def test_without_a_folder_nothing_changes() -> None:
    assert not Secrets({"TOKEN": "mine"}).renew()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: (path.mkdir(), (path / "TOKEN").write_bytes(b"\xff"))])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "secrets")
    with pytest.raises(UserError, match=r"^SECRETS_DIR: .* cannot be read \("):
        take_secrets({"SECRETS_DIR": str(tmp_path / "secrets")})


def test_the_command_line_takes_them_for_its_options_too(tmp_path: Path) -> None:
    (tmp_path / "INTAKE_DATABASE_URL").write_text(f"sqlite:///{tmp_path}/gateway.db")
    environ = {name: value for name, value in os.environ.items() if name != "INTAKE_DATABASE_URL"}
    done = subprocess.run([sys.executable, "-m", "keepintouch", "sources", "new", "lancashire", "--source", "lcs"], text=True,
                          capture_output=True, check=False, env=environ | {"SECRETS_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gateway.db").exists()
