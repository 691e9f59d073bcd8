"""What is remembered of the rows of files, read and written many at a time."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.intake.imports_tables import imported
from services.intake.ledger import insert

_LOOKED_AT = [imported.c[name] for name in (
    "item", "person_ref", "content", "since", "recorded_at", "published_at", "run", "gone")]
_AT_ONCE = 2_500
"""Of what may stand in one question: SQLite takes some 32,000, PostgreSQL twice as many."""


def held_of(connection: Connection, council: str, feed: str, items: Sequence[str]) -> dict[str, Any]:
    """What is remembered of these, by item."""
    found = {}
    for chunk in chunks(items):
        rows = connection.execute(sa.select(*_LOOKED_AT).where(
            imported.c.council == council, imported.c.feed == feed, imported.c.item.in_(chunk)))
        found.update({row.item: row for row in rows})
    return found


def remember(connection: Connection, rows: Sequence[dict[str, Any]], same: dict[str, Any]) -> None:
    """Note what Kafka has of these; `same`: what all of them have in common.

    Values are made ready here, a column at a time: row by row SQLAlchemy takes longer over them than SQLite over all else.
    """
    if not rows:
        return
    add, dialect = insert(connection, imported), connection.dialect
    statement = add.on_conflict_do_update(
        index_elements=list(imported.primary_key),
        set_={column.name: add.excluded[column.name] for column in imported.columns if not column.primary_key}
    ).compile(dialect=dialect)
    ready = zip(*(_ready(column, dialect, rows, same) for column in imported.columns), strict=False)
    names = imported.columns.keys()
    connection.exec_driver_sql(str(statement), list(ready) if statement.positional else [
        dict(zip(names, row, strict=True)) for row in ready])


def _ready(column: sa.Column[Any], dialect: sa.Dialect, rows: Sequence[dict[str, Any]], same: dict[str, Any]) -> Iterable[Any]:
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if column.name in same:
        value = same[column.name]
        return repeat(value if convert is None else convert(value))
    values = [row[column.name] for row in rows]
    return values if convert is None else map(convert, values)


def chunks(items: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many at a time as a statement may name."""
    return (items[start:start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
