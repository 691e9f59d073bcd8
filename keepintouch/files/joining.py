"""Tables of one extract, put beside one another: columns of one looked up in another by an id."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from . import cells
from .dates import NO_DAY, Dates, Unreadable
from .mapping import BLANKS, plain
from .rows import Broken, Cell, Row, Rows
from .tables import Table

NO_CONTACT = "[No Contact]"
"""Column that says `yes` of rows whose day is empty, or 1900-01-01, or none at all."""

Adds = Callable[[str, Row], Sequence[Cell]]
"""The further cells of a row, by its id."""

_EMPTY = frozenset(BLANKS) | {"unknown", "not recorded", "none", "no contact recorded"}


def place_of(table: Table, *headings: str) -> int | None:
    """Where the first of these headings is; `*` stands for anything."""
    spelt = [plain(heading) for heading in table.headings]
    return next((at for wanted in headings for at, each in enumerate(spelt) if fnmatchcase(each, plain(wanted))), None)


def id_in(row: Row, at: int | None) -> str:
    """The id in a row; empty if there is none."""
    if at is None or is_empty(row.cells[at]):
        return ""
    try:
        return cells.case_id(row.cells[at], None)
    except Unreadable:
        return ""


def is_empty(cell: Cell) -> bool:
    """Whether a cell looks as exports write an empty one."""
    return isinstance(cell, str) and plain(cell) in _EMPTY


def no_day(cell: Cell, dates: Dates) -> bool:
    """Whether a cell has no day, or the one that stands for none; what is no day at all is left for the reader to reject."""
    if is_empty(cell):
        return True
    try:
        return dates.day(cell) <= NO_DAY
    except Unreadable:
        return False


def with_columns(table: Table, id_at: int | None, headings: Sequence[str], adds: Adds) -> Table:
    """A table with further columns."""
    def rows() -> Rows:
        for row in table.rows:
            if isinstance(row, Broken):
                yield row
            else:
                yield Row(row.number, [*row.cells[:len(table.headings)], *adds(id_in(row, id_at), row)])
    return replace(table, headings=(*table.headings, *headings), rows=rows())


def by_id(table: Table, id_at: int | None) -> Iterator[tuple[str, Row]]:
    """Rows with their ids; those without one, and broken ones, are for whoever reads the table itself."""
    for row in table.rows:
        if not isinstance(row, Broken) and (found := id_in(row, id_at)):
            yield found, row


def looked_up(found: Mapping[str, Sequence[Cell]], width: int) -> Adds:
    """Cells by id; empty ones for whom there are none."""
    return lambda id_, row: found.get(id_, [""] * width)
