"""What a table is made of, whatever file it lies in."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

Cell = str | int | float | bool | date | datetime | time | timedelta
"""One cell as the file has it; an empty one is the empty text. A CSV file has text only."""

MOST_COLUMNS = 2_000
"""A wider table than this is no export of records."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row with its number as a spreadsheet shows it (in a CSV file: the line on which it begins)."""

    number: int
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be taken apart into cells, and why."""

    number: int
    reason: str


Rows = Iterator[Row | Broken]


def is_blank(cell: Cell) -> bool:
    """Whether nothing but space is in a cell."""
    return isinstance(cell, str) and not cell.strip()
