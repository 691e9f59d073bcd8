"""The database: migrations, instants, and transactions."""
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from keepintouch.runtime.errors import UserError
from services.notifier import outbox
from services.notifier.database import Database, migrate, open_database
from services.notifier.outbox import Moment
from services.notifier.tables import line, message, metadata, unreachable

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/folder/notifier.db")   # the folder is made
    yield database
    database.close()


def test_migrations_lead_to_the_tables_as_described_up_down_and_up_again(fresh: Database) -> None:
    for revision in ("base", "head"):
        migrate(fresh, revision)
    with fresh.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_what_was_committed_survives_a_power_cut(fresh: Database) -> None:
    with fresh.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2   # FULL


def test_instants_are_aware_and_compared_as_instants(fresh: Database) -> None:
    summer = NOW.astimezone(timezone(timedelta(hours=5)))
    with fresh.write() as connection:
        connection.execute(sa.insert(unreachable).values(address="a", reason="r", since=summer))
        assert connection.scalar(sa.select(unreachable.c.since)) == NOW
        assert connection.scalar(sa.select(unreachable.c.address).where(unreachable.c.since <= NOW)) == "a"
        with pytest.raises(sa.exc.StatementError, match="without an offset"):
            connection.execute(sa.insert(unreachable).values(address="b", reason="r", since=datetime(2026, 3, 10)))


def test_a_block_that_fails_leaves_nothing(fresh: Database) -> None:
    def fail() -> None:
        with fresh.write() as connection:
            connection.execute(sa.insert(unreachable).values(address="a", reason="r", since=NOW))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with fresh.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(unreachable)) == 0


def test_many_claim_at_once_and_each_message_is_claimed_once(fresh: Database, tmp_path: Path) -> None:
    with fresh.write() as connection:
        connection.execute(sa.insert(message), [
            {"id": f"{n:032}", "council": "demo", "recipient_ref": "demo:ada", "channel": "sms", "address": "+447700900001",
             "template": "ladder", "ref": f"R{n:04}", "urgent": False, "state": "pending", "created_at": NOW, "changed_at": NOW,
             "attempts": 0, "next_try_at": NOW, "fence": 0, "provider_turn": 0, "looks": 0, "possible_duplicate": False,
             "sent_again": False} for n in range(200)])
    other = open_database(f"sqlite:///{tmp_path}/folder/notifier.db")   # as another process would have it
    claimed: list[str] = []

    def work(database: Database, owner: str) -> None:
        while True:
            with database.write() as connection:
                row = outbox.claim(connection, owner, Moment(NOW, NOW), timedelta(seconds=30))
            if row is None:
                return
            claimed.append(row["id"])

    threads = [threading.Thread(target=work, args=(database, str(n))) for n, database in enumerate([fresh, other] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(claimed) == [f"{n:032}" for n in range(200)]


def test_nobody_can_be_told_the_same_twice(fresh: Database) -> None:
    """The key is the database's own: no mistake of ours gets past it."""
    key = next(each for each in line.constraints if isinstance(each, sa.UniqueConstraint))
    assert [column.name for column in key.columns] == ["dedupe_key"]


@pytest.mark.parametrize(("url", "said"), [
    ("mysql://x/y", "give sqlite"), ("nonsense", "cannot be read"), ("sqlite:////proc/nowhere/x.db", "folder of the file"),
    ("sqlite:////dev/null", "cannot be opened"), ("postgresql+psycopg://u:hush@127.0.0.1:1/x", "cannot be opened")])
def test_a_database_that_cannot_be_opened_is_one_clear_line(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        open_database(url)
    assert "hush" not in str(caught.value)


def test_sqlite_knows_returning() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35)
