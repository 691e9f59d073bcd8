"""The Standard Safeguarding Dataset where it lies in a database: its tables are read as they are, a row at a time."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from keepintouch.files.formats import Part, ssd
from keepintouch.files.rows import Cell, Row, Rows
from keepintouch.files.tables import Table
from keepintouch.runtime.errors import UserError

_AT_ONCE = 1_000


@contextlib.contextmanager
def ssd_database(url: str) -> Iterator[list[Part]]:
    """The parts of the dataset in a database that SQLAlchemy reaches. Raises UserError, which never repeats the address."""
    try:
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):   # the last for a port that is no number
        raise UserError("--url cannot be used: give an address as SQLAlchemy has it, such as mssql+pyodbc://..., with special "
                        "characters of user and password as %XX, and install the driver that it names") from None
    try:
        with engine.connect() as connection:
            found = _tables_of(connection)
            yield ssd(lambda name: _open(connection, found, name), found.__contains__)
    except SQLAlchemyError as error:
        raise UserError(f"the database of --url cannot be read ({type(error).__name__}): check the address, and that we may read "
                        "the tables whose names begin with ssd_") from None
    finally:
        engine.dispose()


def _tables_of(connection: sa.Connection) -> dict[str, sa.Table]:
    """Tables and views of the dataset by their names in lower case."""
    inspector, metadata = sa.inspect(connection), sa.MetaData()
    return {name.lower(): sa.Table(name, metadata, autoload_with=connection)
            for name in [*inspector.get_table_names(), *inspector.get_view_names()] if name.lower().startswith("ssd_")}


@contextlib.contextmanager
def _open(connection: sa.Connection, found: dict[str, sa.Table], name: str) -> Iterator[Table]:
    if name not in found:
        raise UserError(f"the database of --url has no table {name}")
    table = found[name]
    total = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 1
    read = [0]

    def rows() -> Rows:
        for number, row in enumerate(connection.execute(sa.select(table).execution_options(yield_per=_AT_ONCE)), 1):
            read[0] = number
            yield Row(number, [_cell(value) for value in row])

    yield Table(Path(name), tuple(column.name for column in table.columns), rows(), "database", lambda: read[0] / total)


def _cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, str | bool | int | float | datetime | date | time):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)
