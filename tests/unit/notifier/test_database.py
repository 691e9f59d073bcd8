"""The database: migrations, instants, and transactions."""
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from keepintouch.runtime.database import Database, migrate
from keepintouch.runtime.errors import UserError
from services.notifier import outbox
from services.notifier.database import MIGRATIONS, open_database
from services.notifier.outbox import Moment
from services.notifier.tables import alert, backfill, line, message, metadata, step, unreachable
from tests.postgres import ENGINES, fresh_url

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture(params=ENGINES)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    database = open_database(fresh_url(request, tmp_path / "folder"))   # the folder is made
    yield database
    database.close()


def test_migrations_lead_to_the_tables_as_described_up_down_and_up_again(fresh: Database) -> None:
    for revision in ("base", "head"):
        migrate(fresh, MIGRATIONS, revision)
    with fresh.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_what_was_committed_survives_a_power_cut(database: Database) -> None:
    with database.read() as connection:
        if connection.dialect.name == "sqlite":   # PostgreSQL is as its operator sets it
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2   # FULL


def test_instants_are_aware_and_compared_as_instants(database: Database) -> None:
    summer = NOW.astimezone(timezone(timedelta(hours=5)))
    with database.write() as connection:
        connection.execute(sa.insert(unreachable).values(address="a", reason="r", since=summer))
        assert connection.scalar(sa.select(unreachable.c.since)) == NOW
        assert connection.scalar(sa.select(unreachable.c.address).where(unreachable.c.since <= NOW)) == "a"
        with pytest.raises(sa.exc.StatementError, match="without an offset"):
            connection.execute(sa.insert(unreachable).values(address="b", reason="r", since=datetime(2026, 3, 10)))


def test_a_block_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(sa.insert(unreachable).values(address="a", reason="r", since=NOW))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(unreachable)) == 0


def test_many_claim_at_once_and_each_message_is_claimed_once(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.insert(message), [
            {"id": f"{n:032}", "council": "demo", "recipient_ref": "demo:ada", "channel": "sms", "address": "+447700900001",
             "template": "ladder", "ref": f"R{n:04}", "urgent": False, "state": "pending", "created_at": NOW, "changed_at": NOW,
             "attempts": 0, "next_try_at": NOW, "fence": 0, "provider_turn": 0, "looks": 0, "possible_duplicate": False,
             "sent_again": False} for n in range(200)])
    # As another process would have it.
    other = open_database(database.engine.url.render_as_string(hide_password=False))
    claimed: list[str] = []

    def work(one: Database, owner: str) -> None:
        while True:
            with one.write() as connection:
                row = outbox.claim(connection, owner, Moment(NOW, NOW), timedelta(seconds=30))
            if row is None:
                return
            claimed.append(row["id"])

    threads = [threading.Thread(target=work, args=(one, str(n))) for n, one in enumerate([database, other] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(claimed) == [f"{n:032}" for n in range(200)]


def test_nobody_can_be_told_the_same_twice() -> None:
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


def test_what_is_there_stays_there_when_tables_change_and_the_erased_go(fresh: Database) -> None:
    for revision in ("base", "0003"):
        migrate(fresh, MIGRATIONS, revision)
    common: dict[str, Any] = {
        "rule": "r", "severity": "high", "sequence": 1, "episode": 1, "ladder": {}, "opened_at": NOW, "manager_stands_in": False}
    lines = {"message_id": "m1", "episode": 1, "step": "1", "target": "adviser"}
    before: dict[str, list[dict[str, Any]]] = {
        "alert": [common | {"alert_id": "a1", "council": "north", "person_ref": "north:p1", "status": "open", "mode": "backfill"},
                  common | {"alert_id": "a2", "council": "south", "person_ref": None, "status": "erased", "mode": "live"}],
        "step": [{"alert_id": each, "episode": 1, "key": "backfill", "target": "manager", "state": "waiting", "due_at": NOW}
                 for each in ("a1", "a2")],
        "message": [{"id": "m1", "council": "north", "recipient_ref": "north:w1", "channel": "sms", "address": "+447700900001",
                     "template": "ladder", "ref": "K7QX", "urgent": False, "state": "accepted", "created_at": NOW,
                     "changed_at": NOW, "attempts": 1, "next_try_at": NOW, "fence": 1, "provider_turn": 0, "looks": 0,
                     "possible_duplicate": False, "sent_again": False}],
        "line": [lines | {"alert_id": each, "dedupe_key": each} for each in ("a1", "a2")]}
    with fresh.write() as connection:
        for name, rows in before.items():
            connection.execute(sa.insert(sa.Table(name, sa.MetaData(), autoload_with=connection)), rows)
    migrate(fresh, MIGRATIONS)
    with fresh.read() as connection:
        assert connection.scalars(sa.select(alert.c.alert_id)).all() == ["a1"]
        assert connection.execute(sa.select(line.c.message_id, line.c.alert_id)).all() == [("m1", "a1")]
        assert connection.scalars(sa.select(step.c.alert_id)).all() == ["a1"]
        assert connection.scalars(sa.select(message.c.id)).all() == ["m1"]
        assert connection.scalars(sa.select(backfill.c.council)).all() == ["north"]   # its summary still goes out
    with pytest.raises(sa.exc.IntegrityError), fresh.write() as connection:
        connection.execute(sa.insert(line).values(lines | {"alert_id": "a1", "message_id": "nobody", "dedupe_key": "other"}))


def test_tables_of_a_later_version_are_one_clear_line(fresh: Database) -> None:
    with fresh.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(UserError, match="NOTIFIER_DATABASE_URL was made by a later version than this one: install that version"):
        open_database(fresh.engine.url.render_as_string(hide_password=False))


def test_sqlite_knows_returning() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35)
