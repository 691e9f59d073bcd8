"""The database of gateway and importer: migrations, and one PostgreSQL database for several services."""
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from keepintouch.runtime.database import Database, migrate
from keepintouch.runtime.errors import UserError
from services.intake.database import MIGRATIONS, open_database
from services.intake.tables import metadata
from services.notifier.database import open_database as open_notifier
from tests.postgres import ENGINES, fresh_url


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request, tmp_path / "folder")   # the folder is made


@pytest.fixture
def fresh(url: str) -> Iterator[Database]:
    database = open_database(url)
    yield database
    database.close()


def test_migrations_lead_to_the_tables_as_described_up_down_and_up_again(fresh: Database) -> None:
    for revision in ("base", "head"):
        migrate(fresh, MIGRATIONS, revision)
    with fresh.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "intake_version"})
        assert compare_metadata(context, metadata) == []


def test_tables_of_a_later_version_are_one_clear_line(fresh: Database) -> None:
    with fresh.write() as connection:
        connection.execute(sa.text("UPDATE intake_version SET version_num = 'later'"))
    with pytest.raises(UserError, match="INTAKE_DATABASE_URL was made by a later version than this one: install that version"):
        open_database(fresh.engine.url.render_as_string(hide_password=False))


def test_one_database_may_serve_the_notifier_too(url: str) -> None:
    for opened in (open_notifier(url), open_database(url), open_notifier(url), open_database(url)):
        opened.close()
    database = open_database(url)
    with database.read() as connection:
        assert {"message", *metadata.tables} <= set(sa.inspect(connection).get_table_names())
    database.close()


@pytest.mark.parametrize(("url", "said"), [
    ("mysql://x/y", "INTAKE_DATABASE_URL: give sqlite:///PATH or postgresql"), ("nonsense", "INTAKE_DATABASE_URL cannot be read"),
    ("sqlite://", "give sqlite:///PATH"), ("sqlite:///:memory:", "give sqlite:///PATH"),
    (f"sqlite:///{__file__}", "the database of INTAKE_DATABASE_URL cannot be opened"),
    ("postgresql+psycopg://u:secret@h:port/x", "as %XX"), ("postgresql+asyncpg://u:secret@h/x", "asyncpg"),
    ("sqlite:////proc/none/x.db", "the folder of the file cannot be made"),
    ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "the database of INTAKE_DATABASE_URL cannot be opened")])
def test_a_database_that_cannot_be_opened_is_one_clear_line_without_its_password(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        open_database(url)
    assert "secret" not in str(error.value)
