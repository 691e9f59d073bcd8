"""The notifier's database: SQLite for one instance, PostgreSQL by its URL. Nothing in it names a young person.

SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives a power cut too.
"""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.types import TypeDecorator

from keepintouch.runtime.errors import UserError

_READ_ONLY = "keepintouch_read_only"
_BUSY_SECONDS = 60


class Utc(TypeDecorator[datetime]):
    """An aware instant, kept in UTC on every engine."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Only aware instants go in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without an offset")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware instants come out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """Transactions. On SQLite writers of this process take turns here, rather than by trial and error at the file."""

    def __init__(self, engine: Engine) -> None:
        """Over an engine of `open_database`."""
        self.engine = engine
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.RLock() if engine.dialect.name == "sqlite" else contextlib.nullcontext())

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or not at all. Not to be nested."""
        with self._turn, self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that blocks nobody."""
        with self.engine.connect().execution_options(**{_READ_ONLY: True}) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Connect and bring the tables up to date. Raises UserError if that cannot be done."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise UserError("NOTIFIER_DATABASE_URL: give sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).absolute().parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(parsed)
    except ArgumentError:
        raise UserError("NOTIFIER_DATABASE_URL cannot be read: give sqlite:///PATH or postgresql+psycopg://...") from None
    except OSError as error:
        raise UserError(f"NOTIFIER_DATABASE_URL: the folder of the file cannot be made ({error.strerror})") from None
    database = Database(engine)
    try:
        migrate(database)
    except OperationalError as error:
        database.close()
        raise UserError(f"the database of NOTIFIER_DATABASE_URL cannot be opened ({type(error.orig).__name__}): check that it "
                        "is there and that we may write to it") from None
    return database


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the tables up (or, for tests, down) to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with database.write() as connection:
        config.attributes["connection"] = connection
        if revision == "base":
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def _engine(url: sa.URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url, pool_pre_ping=True, pool_size=20)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=20)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None   # transactions are begun below, not by guesswork of the driver
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_SECONDS * 1000}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred transaction that later wants to write may fail at once instead of waiting its turn.
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
