"""Opens a CSV file or a workbook as a table: headings, then rows as they come.

What a file is, its first bytes say, not its name. Raises UserError, in one line, for whatever cannot be read at all; a single
row that cannot be read is `Broken`, and the next one follows.
"""
from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from keepintouch.runtime.errors import UserError

from .csv_file import csv_rows, encoding_of
from .rows import MOST_COLUMNS, Broken, Cell, Row, Rows, is_blank
from .workbook import height_of, is_workbook, open_workbook, sheet_of, workbook_rows

HEADINGS_WITHIN = 20
"""Rows at the top in which the headings are looked for: reports have titles and blank rows above them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a file the table is; whatever is None is found out."""

    sheet: str | None = None
    header_row: int | None = None
    encoding: str | None = None
    separator: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table that lies open."""

    path: Path
    headings: tuple[str, ...]
    rows: Rows
    """Blank rows are left out."""
    kind: str
    """`CSV` or `workbook`, with how it was read: for the summary."""
    progress: Callable[[], float]
    """How much of it has been read, from 0 to 1."""
    sheet: str | None = None
    """Of a workbook with several: which."""

    @property
    def name(self) -> str:
        """What a list of its rows calls it: the file, and the sheet where there are several."""
        return self.path.name if self.sheet is None else f"{self.path.name} [{self.sheet}]"


class EmptySheet(UserError):  # noqa: N818 -- a council may have nobody to list
    """A sheet without a single cell, not even headings."""


@contextlib.contextmanager
def open_table(path: Path, layout: Layout = Layout()) -> Iterator[Table]:
    """Open a table. Raises UserError for a file that is missing, is no table or has no row of headings."""
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            start = raw.read(512)
            raw.seek(0)
            if not start.strip(b"\0 \t\r\n\xef\xbb\xbf"):
                raise UserError(f"{path}: is empty")
            if not is_workbook(start):
                _check_is_text(path, start)
            table = _workbook(path, layout) if is_workbook(start) else _csv(path, stack, raw, layout)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
        yield table


def sheet_names(path: Path) -> list[str]:
    """The names of a workbook's sheets; none for a CSV file. Raises UserError."""
    try:
        with path.open("rb") as raw:
            start = raw.read(8)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    return list(open_workbook(path).sheet_names) if is_workbook(start) else []


def _check_is_text(path: Path, start: bytes) -> None:
    lower = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if lower.startswith(b"%pdf"):
        raise UserError(f"{path}: is a PDF: export the table as .xlsx or CSV")
    if lower.startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise UserError(f"{path}: is a web page or XML, whatever its name: open it in a spreadsheet program and save it as "
                        ".xlsx or CSV")


def _csv(path: Path, stack: contextlib.ExitStack, raw: io.BufferedReader, layout: Layout) -> Table:
    try:
        encoding = layout.encoding or encoding_of(path)
        text = stack.enter_context(io.TextIOWrapper(raw, encoding=encoding, newline=""))
    except LookupError:
        raise UserError(f"{path}: there is no encoding {layout.encoding!r}: `encoding` may be utf-8 or windows-1252") from None
    size = path.stat().st_size or 1
    headings, rest = _headings(path, csv_rows(path, text, layout.separator), layout.header_row)
    shown = {"cp1252": "Windows-1252", "utf-8-sig": "UTF-8", "utf-8": "UTF-8", "utf-16": "UTF-16"}.get(encoding, encoding)
    return Table(path, headings, _fitting(rest, len(headings)), f"CSV, {shown}", lambda: min(1.0, raw.tell() / size))


def _workbook(path: Path, layout: Layout) -> Table:
    book = open_workbook(path)
    sheet = sheet_of(path, book, layout.sheet)
    height = height_of(sheet)
    if not height:
        raise EmptySheet(f"{path}: the sheet {sheet.name!r} is empty")
    at = [0]

    def counted() -> Rows:
        for row in workbook_rows(sheet):
            at[0] = row.number
            yield row

    headings, rest = _headings(path, counted(), layout.header_row)
    return Table(path, headings, _fitting(rest, len(headings)), f"workbook, sheet {sheet.name!r}", lambda: at[0] / height,
                 sheet.name if len(book.sheet_names) > 1 else None)


def _headings(path: Path, rows: Rows, wanted: int | None) -> tuple[tuple[str, ...], Iterable[Row | Broken]]:
    """The headings and the rows below them."""
    first = list(islice(rows, max(HEADINGS_WITHIN, wanted or 0)))
    for place, row in enumerate(first):
        if isinstance(row, Broken):
            if wanted is None or row.number == wanted:
                raise UserError(f"{path}: row {row.number}: {row.reason}")
        elif row.number == wanted if wanted is not None else (
                _could_be_headings(row, place, first) and not _is_above_headings(row, first[place + 1:])):
            headings = _trimmed(row.cells)
            if len(headings) > MOST_COLUMNS:
                raise UserError(f"{path}: has {len(headings):,} columns; tables of up to {MOST_COLUMNS:,} are read")
            return headings, chain(first[place + 1:], rows)
    if wanted is not None:
        raise UserError(f"{path}: has no row {wanted}, where the mapping says the headings are (`header_row`)")
    raise UserError(f"{path}: has no row of headings in its first {HEADINGS_WITHIN} rows: say in the mapping which it is "
                    "(`header_row`)")


def _could_be_headings(row: Row, place: int, first: list[Row | Broken]) -> bool:
    """Two texts or more and nothing else; a single one only if the table has a single column."""
    filled = [cell for cell in row.cells if not is_blank(cell)]
    if not filled or not all(isinstance(cell, str) for cell in filled):
        return False
    return len(filled) > 1 or all(
        isinstance(later, Broken) or sum(not is_blank(cell) for cell in later.cells) <= 1 for later in first[place + 1:])


def _is_above_headings(row: Row, below: list[Row | Broken]) -> bool:
    """Whether a row is a title, or groups columns: the next one that is not blank names far more of them, and is no record."""
    following = next((each for each in below if isinstance(each, Broken) or not all(map(is_blank, each.cells))), None)
    if following is None or isinstance(following, Broken):
        return False
    named = [cell for cell in following.cells if not is_blank(cell)]
    return len(named) >= 2 * sum(not is_blank(cell) for cell in row.cells) and len(set(named)) == len(named) and all(
        isinstance(cell, str) and not any(letter.isdigit() for letter in cell) for cell in named)


def _trimmed(cells: Iterable[Cell]) -> tuple[str, ...]:
    headings = [" ".join(str(cell).split()) for cell in cells]
    while headings and not headings[-1]:
        headings.pop()
    return tuple(headings)


def _fitting(rows: Iterable[Row | Broken], width: int) -> Rows:
    """Rows as wide as the headings, without blank ones."""
    for row in rows:
        if isinstance(row, Broken):
            yield row
            continue
        cells = row.cells
        if all(map(_nothing, cells)):
            continue
        if len(cells) < width:
            yield Row(row.number, [*cells, *[""] * (width - len(cells))])
        elif len(cells) > width and not all(map(_nothing, cells[width:])):
            yield Broken(row.number, f"has more cells than there are headings ({width})")
        else:
            yield row


def _nothing(cell: Cell) -> bool:
    return cell == "" or is_blank(cell)
