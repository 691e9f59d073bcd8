"""API keys, how much each may send, settings, and the command line that makes keys."""
from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from keepintouch.cli import app
from keepintouch.councils import load_councils
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.settings import load_settings
from keepintouch.sources import Labels
from services.intake.keys import ANYBODY, Keyring, make_key, revoke_key
from services.intake.limits import Limits
from services.intake.settings import IntakeSettings, check_safe
from services.intake.tables import api_key
from tests.integration.monitor_process import councils_file
from tests.unit.intake.rig import NOW, OTHER_SOURCE, SOURCE


class TestKeys:
    def test_only_the_hash_of_a_key_is_kept(self, database: Database) -> None:
        with database.write() as connection:
            key_id, key = make_key(connection, "demo", [SOURCE, OTHER_SOURCE, SOURCE], NOW)
            [row] = connection.execute(sa.select(api_key)).all()
            caller = Keyring.read(connection).caller(key)
        assert key_id in key
        assert key.removeprefix(f"kit_{key_id}_") not in repr(tuple(row))
        assert row.sources == sorted([SOURCE, OTHER_SOURCE])
        assert caller is not None
        assert (caller.council, caller.sources) == ("demo", frozenset([SOURCE, OTHER_SOURCE]))

    def test_a_key_that_is_revoked_holds_no_longer_and_nor_does_one_nearly_the_same(self, database: Database) -> None:
        with database.write() as connection:
            key_id, key = make_key(connection, "demo", [SOURCE], NOW)
            ring = Keyring.read(connection)
            other = key[:-1] + ("A" if key[-1] != "A" else "B")
            assert [ring.caller(each) for each in (other, key + "x", key[1:], "", key.upper())] == [None] * 5
            assert (revoke_key(connection, key_id, NOW), revoke_key(connection, key_id, NOW)) == (True, False)
            assert Keyring.read(connection).caller(key) is None

    def test_who_is_let_in_without_a_key_is_so_only_as_long_as_there_is_none(self, database: Database) -> None:
        from services.intake.main import Keys  # Kafka's client warns when it is imported, which a test may pass over

        keys = Keys(database, ANYBODY, Keyring({}), Labels(["demo"]))
        assert keys.caller("") is ANYBODY
        with database.write() as connection:
            key = make_key(connection, "demo", ["demo:source"], NOW)[1]
        keys.refresh()
        assert keys.caller("") is None
        assert keys.caller(key) is not None
        assert (keys.label("demo:source"), keys.label("demo:p1")) == ("demo:source", "demo:hidden")

    @pytest.mark.parametrize("source", ["", "with space", "x" * 201, "naïve"])
    def test_a_source_is_plain(self, database: Database, source: str) -> None:
        with database.write() as connection, pytest.raises(UserError, match="a source is written with"):
            make_key(connection, "demo", [source], NOW)


class TestLimits:
    def test_a_minutes_worth_at_once_then_as_it_fills(self) -> None:
        limits = Limits(60)
        assert [limits.take("a", 1, 0.0) for _ in range(61)] == [0] * 60 + [1]
        assert limits.take("b", 60, 0.0) == 0
        assert [limits.take("a", 1, 0.5), limits.take("a", 1, 1.0), limits.take("a", 1, 1.0)] == [1, 0, 1]
        assert limits.take("a", 30, 1.0) == 30
        assert limits.take("a", 30, 31.0) == 0

    def test_what_is_more_than_a_minutes_worth_passes_when_nothing_is_owed_and_is_paid_off(self) -> None:
        limits = Limits(60)
        assert limits.take("a", 180, 0.0) == 0
        assert limits.take("a", 1, 0.0) == 121
        assert limits.take("a", 0, 0.0) == 120   # who owes need not even send the body
        assert limits.take("a", 1, 121.0) == 0


class TestSettings:
    def make(self, monkeypatch: pytest.MonkeyPatch, **more: str) -> IntakeSettings:
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        return load_settings(IntakeSettings)

    @pytest.mark.parametrize(("more", "said"), [
        ({"INTAKE_LARGEST_BODY": "10"}, "INTAKE_LARGEST_BODY"), ({"INTAKE_KEEP": "1h"}, "give 1d or more"),
        ({"INTAKE_KAFKA_TIMEOUT": "0s"}, "INTAKE_KAFKA_TIMEOUT"), ({"INTAKE_EVENTS_PER_MINUTE": "0"}, "INTAKE_EVENTS_PER_MINUTE"),
        ({"INTAKE_TLS_CERTFILE": __file__}, "belong together"), ({"INTAKE_HTTP_PORT": "x"}, "INTAKE_HTTP_PORT")])
    def test_a_value_that_cannot_be_is_one_line(self, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], said: str) -> None:
        with pytest.raises(UserError, match=said):
            self.make(monkeypatch, **more)

    @pytest.mark.parametrize(("more", "safe"), [
        ({}, True), ({"INTAKE_HTTP_HOST": "localhost"}, True), ({"INTAKE_HTTP_HOST": "::1"}, True),
        ({"INTAKE_HTTP_HOST": "0.0.0.0"}, False), ({"INTAKE_HTTP_HOST": "intake.example"}, False),
        ({"INTAKE_HTTP_HOST": "0.0.0.0", "INTAKE_BEHIND_TLS": "1"}, True),
        ({"INTAKE_HTTP_HOST": "0.0.0.0", "INTAKE_TLS_CERTFILE": __file__, "INTAKE_TLS_KEYFILE": __file__}, True),
        ({"INTAKE_HTTP_HOST": "0.0.0.0", "KEEPINTOUCH_DEMO": "1"}, True)])
    def test_keys_never_cross_a_network_in_the_open(
            self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: dict[str, str], safe: bool) -> None:
        councils = load_councils(councils_file(tmp_path / "councils.yaml", ["demo"]))
        settings = self.make(monkeypatch, **more)
        if safe:
            check_safe(settings, councils, 1)
        else:
            with pytest.raises(UserError, match="plain http"):
                check_safe(settings, councils, 1)
        if not settings.demo:
            with pytest.raises(UserError):
                check_safe(settings, councils, 0)


class TestCommandLine:
    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
        monkeypatch.setenv("INTAKE_DATABASE_URL", f"sqlite:///{tmp_path}/intake.db")
        monkeypatch.setenv("COUNCILS_FILE", str(councils_file(tmp_path / "councils.yaml", ["demo"])))
        return CliRunner()

    def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(self, run: CliRunner) -> None:
        made = run.invoke(app, ["sources", "new", "demo", "--source", SOURCE, "--source", OTHER_SOURCE])
        assert made.exit_code == 0, made.output
        key = made.stdout.strip()
        _, key_id, secret = key.split("_", 2)
        listed = run.invoke(app, ["sources", "list"]).stdout
        assert key_id in listed
        assert secret not in listed
        assert f"{OTHER_SOURCE} {SOURCE}" in listed
        assert run.invoke(app, ["sources", "revoke", key_id]).stdout == f"{key_id} no longer holds\n"
        assert "until" in run.invoke(app, ["sources", "list"]).stdout
        again = run.invoke(app, ["sources", "revoke", key_id])
        assert isinstance(again.exception, UserError)

    def test_where_people_come_from_can_be_said(self, run: CliRunner) -> None:
        first = run.invoke(app, ["sources", "people", "demo", SOURCE]).stdout
        assert first == f"people of demo come from {SOURCE} (before: nowhere)\n"
        said = run.invoke(app, ["sources", "people", "demo", OTHER_SOURCE, SOURCE]).stdout
        assert f"from {OTHER_SOURCE} {SOURCE} (before: {SOURCE})" in said
        assert said.split(" (")[0] in run.invoke(app, ["sources", "list"]).stdout

    @pytest.mark.parametrize(("arguments", "said"), [
        (["new", "nowhere", "--source", SOURCE], "has no council nowhere"),
        (["new", "demo", "--source", "a b"], "a source is written with"),
        (["list", "--database", "mysql://x"], "give sqlite:///PATH")])
    def test_what_is_wrong_is_one_line(self, run: CliRunner, arguments: list[str], said: str) -> None:
        ended = run.invoke(app, ["sources", *arguments])
        assert isinstance(ended.exception, UserError)
        assert said in str(ended.exception)
