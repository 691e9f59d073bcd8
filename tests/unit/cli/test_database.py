"""A service's tables go back to an earlier revision, and forward again, with what is in them."""
from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from keepintouch.cli.database import app
from keepintouch.runtime.errors import UserError
from services.intake.database import open_database as open_intakes
from services.notifier.database import open_database


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    where = f"sqlite:///{tmp_path}/notifier.db"
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", where)
    return where


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_back_and_forth_with_what_is_in_them(url: str) -> None:
    database = open_database(url)
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO unreachable (address, since, reason) VALUES "
                                   "('+447700900001', '2026-01-01 00:00:00', '30005')"))
    database.close()
    head = run("revision", "notifier").split()[-1]
    assert head > "0001"

    assert run("downgrade", "notifier", "0001", "--yes") == "notifier: now at 0001\n"
    assert run("revision", "notifier") == f"found 0001, this version wants {head}\n"

    database = open_database(url)   # the newer version, started again
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT address FROM unreachable")).scalars().all() == ["+447700900001"]
    database.close()
    assert run("revision", "notifier") == f"found {head}, this version wants {head}\n"


@pytest.mark.parametrize("to", ["9999", "nonsense"])
def test_not_to_what_is_not_before_it(url: str, to: str) -> None:
    open_database(url).close()
    with pytest.raises(UserError, match=f"{to} is not a revision before it"):
        run("downgrade", "notifier", to, "--yes")


def test_a_database_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("sqlite:////nowhere/at/all.db", f"sqlite:///{__file__}"):
        monkeypatch.setenv("NOTIFIER_DATABASE_URL", url)
        with pytest.raises(UserError, match="NOTIFIER_DATABASE_URL cannot be opened"):
            run("revision", "notifier")
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", "postgresql+psycopg://u:secret@h:port/x")
    with pytest.raises(UserError, match="NOTIFIER_DATABASE_URL cannot be read"):
        run("revision", "notifier")


def test_each_service_has_a_revision_of_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one database serves both."""
    monkeypatch.setenv("INTAKE_DATABASE_URL", url)
    assert run("revision", "intake").startswith("found none")
    open_database(url).close()
    assert run("revision", "intake").startswith("found none")
    open_intakes(url).close()
    head = run("revision", "intake").split()[-1]
    assert run("revision", "intake").startswith(f"found {head},")
    notifiers = run("revision", "notifier")
    assert run("downgrade", "intake", "0001", "--yes") == "intake: now at 0001\n"
    assert run("revision", "intake") == f"found 0001, this version wants {head}\n"
    assert run("revision", "notifier") == notifiers
