"""A service's own database: SQLite for one instance, PostgreSQL by its URL; its tables are brought up to date when it opens.

SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives a power cut too; what is deleted is
overwritten in the file.
"""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InternalError, OperationalError
from sqlalchemy.types import TypeDecorator

from keepintouch.runtime.errors import UserError

_READ_ONLY, _REBUILDING = "keepintouch_read_only", "keepintouch_rebuilding"
_LENGTH = len("2026-03-01 10:00:00.000000")
_CACHE_KIB, _HEAP = 64 * 1024, 128 * 1024 * 1024
"""Of pages a connection may keep (SQLite's own 2 MiB are fewer than the indexes of a year, which are hit all over), and in bytes
what all connections together may."""
_BUSY_SECONDS = 60
_IDLE_SECONDS = 30
_MIGRATING = 0x6B69745F6D6967
"""The number of the lock that the instance which changes the tables has: "kit_mig"."""

AWAY = (OperationalError, InternalError)
"""What SQLAlchemy raises when the database is away, or has ended a transaction that took too long: it has not been done."""

NAMES = {"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
         "fk": "fk_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
"""How indexes and constraints are called, so that migrations can name them."""


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

    # On SQLite straight to and from its text: by way of `sa.DateTime` it takes several times as long, for every row of an import.

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """What makes a value ready."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """What makes an instant of what was found."""
        return _of_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware instants come out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    """An aware instant as `sa.DateTime` keeps it in SQLite."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("an instant without an offset")
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:_LENGTH]


def _of_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")


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

    @contextlib.contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """As `write`, for changes of tables: SQLite has to make many of them anew, which foreign keys would not let it."""
        with self._turn, self.engine.connect().execution_options(**{_REBUILDING: True}) as connection:
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.invalidate()   # so that nobody goes on without foreign keys

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, setting: str, migrations: Path) -> Database:
    """Connect and bring the tables up to date. Raises UserError, which names `setting`, if that cannot be done.

    `migrations`: the folder with alembic's `env.py` and `versions`.
    """
    parsed = address(url, setting)
    try:
        if parsed.get_backend_name() == "sqlite":
            Path(str(parsed.database)).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{setting}: the folder of the file cannot be made ({error.strerror})") from None
    database = Database(_engine(parsed))
    try:
        with opening(setting):
            migrate(database, migrations)
    except UserError:
        database.close()
        raise
    except CommandError as error:
        database.close()
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise UserError(f"the database of {setting} was made by a later version than this one: install that version, or restore "
                        "the database as it was before it") from None
    return database


def address(url: str, setting: str) -> sa.URL:
    """Where a database is. Raises UserError, which names `setting` and repeats nothing, for what cannot be used."""
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql") or (kind == "sqlite" and parsed.database in (None, "", ":memory:")):
            raise UserError(f"{setting}: give sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, ValueError):   # the latter for a port that is no number
        raise UserError(f"{setting} cannot be read: give sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME, with "
                        "special characters of user and password as %XX") from None
    except ImportError as error:
        raise UserError(f"{setting} needs a package that is missing ({error.name}): install it, or give "
                        "postgresql+psycopg://...") from None
    return parsed


@contextlib.contextmanager
def opening(setting: str) -> Iterator[None]:
    """Turn what is said of a database that is not there, or of a file that is none, into a UserError."""
    try:
        yield
    except DatabaseError as error:
        if type(error) not in (DatabaseError, OperationalError):   # others are for us to mend
            raise
        raise UserError(f"the database of {setting} cannot be opened ({type(error.orig).__name__}): check that it is there, that "
                        "it is one, and that we may write to it") from None


def migrate(database: Database, migrations: Path, revision: str = "head") -> None:
    """Bring the tables up (or, for tests, down) to a revision."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    with database.rebuild() as connection:
        if connection.dialect.name == "postgresql":   # of several that start at once each waits for the one before
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        config.attributes["connection"] = connection
        if revision == "base":
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def _engine(url: sa.URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        # Who stands still in the middle of a transaction must not keep the others waiting.
        options = f"-c idle_in_transaction_session_timeout={_IDLE_SECONDS * 1000}"
        return sa.create_engine(url, pool_pre_ping=True, pool_size=20, connect_args={"options": options})
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=20)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None   # transactions are begun below, not by guesswork of the driver
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON",
                       f"busy_timeout={_BUSY_SECONDS * 1000}", f"cache_size={-_CACHE_KIB}",
                       f"soft_heap_limit={_HEAP}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred transaction that later wants to write may fail at once instead of waiting its turn.
        options = connection.get_execution_options()
        if options.get(_REBUILDING):
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN" if options.get(_READ_ONLY) else "BEGIN IMMEDIATE")

    return engine
