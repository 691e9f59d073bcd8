"""Workbooks (XLSX), read by calamine, and looked over before: a workbook is a zip, and a small one can hold a very large sheet.

Calamine lays out every cell between the first and the last one of a sheet in memory, so it must be known before how far apart
these are and how much there is to unpack.
"""
from __future__ import annotations

import mmap
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from keepintouch.runtime.errors import UserError

from .rows import Row, Rows

LARGEST_FILE = 100 << 20
"""Bytes of the file."""
LARGEST_UNPACKED = 512 << 20
"""Bytes of all that is in it."""
MOST_CELLS = 15_000_000
"""Between the first and the last cell of a sheet, empty ones too."""

_MAGIC_ZIP, _MAGIC_OLE = (b"PK\3\4", b"PK\5\6"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_NO_SHEETS = ("xl/sharedStrings.xml", "xl/styles.xml")
"""A sheet is usually in xl/worksheets, but may be any other part of a workbook."""
_CHUNK = 1 << 20
_OVERLAP = 4_096
_PLACE = re.compile(rb"""<(?:\w+:)?c\s[^<>]*?\br\s*=\s*["']([A-Za-z]{1,4})(\d{1,8})["']""")
_UNWORKED = re.compile(rb"<(?:\w+:)?f\b[^>]*(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?"
                       rb"\s*</(?:\w+:)?c>")


def is_workbook(start: bytes) -> bool:
    """Whether a file that starts so is one that spreadsheet programs write, locked or old ones too."""
    return start.startswith((*_MAGIC_ZIP, _MAGIC_OLE))


def open_workbook(path: Path) -> CalamineWorkbook:
    """Look a workbook over and open it. Raises UserError for what is too large, locked, damaged, old or no workbook."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UserError(f"{path}: workbooks of up to {LARGEST_FILE >> 20} MB are read, this one has {size >> 20}: save it as "
                        "CSV, which may have any size")
    with path.open("rb") as file:
        if file.read(8) == _MAGIC_OLE:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:   # the entry that says so may be at its end
                locked = whole.find(_ENCRYPTED) >= 0
            raise UserError(f"{path}: is locked with a password: save a copy without one" if locked else
                            f"{path}: is a workbook of the old kind (.xls): save it as .xlsx or CSV")
    try:
        _look_over(path)
        with path.open("rb") as file:   # calamine would go by the name, and some systems call everything .xls
            return CalamineWorkbook.from_filelike(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, CalamineError, RuntimeError, ValueError, OSError,
            OverflowError):
        raise UserError(f"{path}: is damaged or cut short, or no workbook: save it again, as .xlsx or CSV") from None


def sheet_of(path: Path, book: CalamineWorkbook, name: str | None) -> CalamineSheet:
    """The sheet of that name (case and outer spaces do not matter), or the only visible one with a table. Raises UserError."""
    names = list(book.sheet_names)
    if name is not None:
        found = [each for each in names if _plain(each) == _plain(name)]
        if not found:
            raise UserError(f"{path}: has no sheet {name!r}; it has {', '.join(map(repr, names)) or 'none'}")
        return _sheet(path, book, found[0])
    filled = [sheet for sheet in (_sheet(path, book, each) for each in _shown(book)) if height_of(sheet)]
    if not filled:
        raise UserError(f"{path}: is empty: no sheet of it has a single cell")
    filled = [sheet for sheet in filled if height_of(sheet) > 1] or filled   # a cover has a line, a table has several
    if len(filled) > 1:
        raise UserError(f"{path}: has several sheets: say which in the mapping (`sheet`), one of "
                        f"{', '.join(repr(sheet.name) for sheet in filled)}")
    return filled[0]


def height_of(sheet: CalamineSheet) -> int:
    """Rows up to the last one that has a cell. Calamine's own `total_height` (0.8) counts the first row as none."""
    return 0 if sheet.end is None else sheet.end[0] + 1


def workbook_rows(sheet: CalamineSheet) -> Rows:
    """The rows of a sheet, with the numbers that a spreadsheet shows."""
    for number, cells in enumerate(sheet.iter_rows(), 1):
        yield Row(number, cells)


def _shown(book: CalamineWorkbook) -> list[str]:
    """The sheets that a spreadsheet program shows; all if it shows none."""
    shown = [each.name for each in book.sheets_metadata
             if each.visible is SheetVisibleEnum.Visible and each.typ is SheetTypeEnum.WorkSheet]
    return shown or list(book.sheet_names)


def _sheet(path: Path, book: CalamineWorkbook, name: str) -> CalamineSheet:
    try:
        return book.get_sheet_by_name(name)
    except (CalamineError, ValueError, OSError):
        raise UserError(f"{path}: the sheet {name!r} cannot be read: save the workbook again, as .xlsx or CSV") from None


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _look_over(path: Path) -> None:
    unpacked = 0
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.flag_bits & 1 for part in parts):
            raise UserError(f"{path}: is locked with a password: save a copy without one")
        if not any(part.filename.startswith("xl/") for part in parts):
            raise UserError(f"{path}: is an OpenDocument table (.ods): save it as .xlsx or CSV" if any(
                part.filename == "content.xml" for part in parts) else
                f"{path}: is a zip file but no workbook (.xlsx): unpack it first")
        if any(part.filename.startswith("xl/workbook.bin") for part in parts):   # it could not be known how far its cells reach
            raise UserError(f"{path}: is a binary workbook (.xlsb): save it as .xlsx or CSV")
        for part in parts:
            with archive.open(part) as file:
                pieces: Iterator[bytes] = iter(lambda file=file: file.read(_CHUNK), b"")   # type: ignore[misc]
                area = None if part.filename in _NO_SHEETS else _Area(path)
                for piece in pieces:
                    unpacked += len(piece)
                    if unpacked > LARGEST_UNPACKED:
                        raise UserError(f"{path}: unpacks to over {LARGEST_UNPACKED >> 20} MB: save it as CSV, which may "
                                        "have any size")
                    if area is not None:
                        area.take(piece)


class _Area:
    """How far the cells of a sheet reach, as its XML goes by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._column = self._row = 0
        self._rest = b""

    def take(self, piece: bytes) -> None:
        """Look at the next piece. Raises UserError."""
        text = self._rest + piece
        self._rest = text[-_OVERLAP:]
        for column, row in _PLACE.findall(text):
            if (number := int(row)) > self._row:
                self._row = number
            if len(column) > 1 or self._column < 26:
                self._column = max(self._column, _column_number(column))
        if self._column * self._row > MOST_CELLS:
            raise UserError(f"{self._path}: a sheet reaches over {MOST_CELLS:,} cells, most of them empty: delete what stands "
                            "far off, or save it as CSV")
        if _UNWORKED.search(text):
            raise UserError(f"{self._path}: has formulas that were never worked out: open it in a spreadsheet program and "
                            "save it, or save it as CSV")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
