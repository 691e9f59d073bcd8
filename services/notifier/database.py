"""The notifier's database: `NOTIFIER_DATABASE_URL`. SQLite for one instance, PostgreSQL for several."""
from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from keepintouch.runtime import database
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError

MIGRATIONS = Path(__file__).parent / "migrations"
SETTING = "NOTIFIER_DATABASE_URL"
VERSION_TABLE = "alembic_version"


def open_database(url: str) -> Database:
    """Connect and bring the tables up to date. Raises UserError if that cannot be done."""
    return database.open_database(url, SETTING, MIGRATIONS)


@contextlib.contextmanager
def only_instance(url: str) -> Iterator[None]:
    """Be the only notifier on a SQLite file for as long as this lasts; PostgreSQL lets several work side by side.

    The lock is the operating system's, on a file beside the database: it ends with the process, however that ends. Raises
    UserError if another has it.
    """
    file = _file(url)
    if file is None:
        yield
        return
    try:
        lock = file.with_name(f"{file.name}.lock").open("a")
    except OSError:   # what is wrong with the place, `open_database` says
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another notifier works with {file}: end it first, or give all of them one PostgreSQL "
                            "(NOTIFIER_DATABASE_URL=postgresql+psycopg://...)") from None
        yield


def _file(url: str) -> Path | None:
    """The file of a SQLite database, None for any other; its folder is made."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            return None
        file = Path(parsed.database).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
    except (ArgumentError, OSError):
        return None
    return file
