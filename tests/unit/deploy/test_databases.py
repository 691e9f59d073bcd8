"""The databases that docker-compose.yml makes, on a real PostgreSQL: each service has its own and cannot get into the other."""
from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from keepintouch.cli.database import app
from keepintouch.runtime.errors import UserError
from services.intake.database import open_database as open_intakes
from services.notifier.database import open_database as open_notifiers
from services.notifier.tables import unreachable
from tests.postgres import LocalPostgres
from tests.unit.deploy.told import ROOT


@pytest.mark.slow
def test_each_service_has_one_of_its_own_and_goes_back_a_revision(postgres: LocalPostgres, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("notifier", "intake"):
        (tmp_path / service).write_text(f"it's {service}'s \\ \"password\"\n")   # nothing in a password may be taken for SQL
    psql = max(Path("/usr/lib/postgresql").glob("*/bin"))
    subprocess.run([ROOT / "deploy" / "postgres" / "init.sh"], check=True, capture_output=True, env={
        "PATH": f"{psql}:{os.environ['PATH']}", "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "POSTGRES_USER": "tests",
        "SECRETS_DIR": str(tmp_path)})

    def url(user: str, name: str) -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{postgres.port}/{name}"

    open_notifiers(url("notifier", "notifier")).close()
    open_intakes(url("intake", "intake")).close()
    with pytest.raises(UserError, match="NOTIFIER_DATABASE_URL cannot be opened"):
        open_notifiers(url("intake", "notifier"))

    dump_and_restore(psql, postgres, url("notifier", "notifier"))

    monkeypatch.setenv("NOTIFIER_DATABASE_URL", url("notifier", "notifier"))
    went = CliRunner().invoke(app, ["downgrade", "notifier", "0001", "--yes"], catch_exceptions=False)
    assert went.output == "notifier: now at 0001\n"
    open_notifiers(url("notifier", "notifier")).close()   # and forward again


def dump_and_restore(tools: Path, postgres: LocalPostgres, url: str) -> None:
    """As docs/how-to/back-up-and-restore.md says; the commands are taken from there."""
    page = (ROOT / "docs" / "how-to" / "back-up-and-restore.md").read_text()
    how = [shlex.split(re.sub(r"--username=postgres", "", found.replace("\n", " "))) for found in re.findall(
        r"exec -T postgres (pg_dump .*? notifier|pg_restore .*?--dbname=notifier)(?= [<>])", page, re.DOTALL)]
    assert [words[0] for words in how] == ["pg_dump", "pg_restore"]
    environ = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "tests"}

    def numbers() -> list[str]:
        with contextlib.closing(open_notifiers(url)) as database, database.read() as connection:
            return sorted(connection.scalars(sa.select(unreachable.c.address)))

    def note(address: str) -> None:
        with contextlib.closing(open_notifiers(url)) as database, database.write() as connection:
            connection.execute(sa.insert(unreachable).values(address=address, reason="r", since=datetime.now(UTC)))

    note("before")
    dumped = subprocess.run([tools / how[0][0], *how[0][1:]], check=True, capture_output=True, env=environ).stdout
    note("since")
    subprocess.run([tools / how[1][0], *how[1][1:]], check=True, capture_output=True, env=environ, input=dumped)
    assert numbers() == ["before"]
    note("after")   # it is the service's own again, to read and to write
    assert numbers() == ["after", "before"]
