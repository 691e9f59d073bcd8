"""CSV files as they come: in any of the usual encodings, with any of the usual separators, one row at a time.

A quotation mark that is never closed swallows, for most readers, everything up to the next one. Here only the row in which
it stands is lost, and it is said which.
"""
from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from keepintouch.runtime.errors import UserError

from .rows import Broken, Row, Rows

LONGEST_LINE = 1 << 20
"""Characters; no table has longer ones, and a file without line ends must not fill the memory."""
MOST_BROKEN = 1_000
"""More rows than this with broken quoting mean that the whole file is not what it was taken for."""

_SEPARATORS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CHUNK = 1 << 20
_SAMPLE_LINES = 20


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its mark, else UTF-8 if all of it is, else Windows-1252. Raises UserError."""
    with path.open("rb") as file:
        start = file.read(4)
        for mark, name in _BOMS:
            if start.startswith(mark):
                return name
        file.seek(0)
        maybe = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
        while maybe and (chunk := file.read(_CHUNK)):
            if b"\0" in chunk:
                raise UserError(f"{path}: is not a CSV file, or one in UTF-16 without a mark: save it as CSV UTF-8")
            for name in list(maybe):
                try:
                    maybe[name].decode(chunk)
                except UnicodeDecodeError:
                    del maybe[name]
        if "utf-8" in maybe:
            try:
                maybe["utf-8"].decode(b"", final=True)
            except UnicodeDecodeError:
                del maybe["utf-8"]
    if not maybe:
        raise UserError(f"{path}: is text neither in UTF-8 nor in Windows-1252: save it as CSV UTF-8, or say `encoding` in the "
                        "mapping")
    return next(iter(maybe))


def separator_of(text: str) -> str:
    """The separator of the first lines of a file: the one that makes the most columns of them."""
    def columns(separator: str) -> float:
        lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
        try:
            return median([len(row) for row in csv.reader(lines, delimiter=separator)] or [0])
        except csv.Error:
            return 0
    return max(_SEPARATORS, key=columns)


def csv_rows(path: Path, text: io.TextIOWrapper, separator: str | None) -> Rows:
    """The rows of a file that lies open, its line ends as they are. Raises UserError, also later, for what is no CSV file."""
    lines = _Lines(path, text)
    if separator is None:
        separator = _declared(lines) or separator_of("".join(lines.peek(_SAMPLE_LINES)))
    return _rows(path, lines, separator)


def _declared(lines: _Lines) -> str | None:
    """Excel's own first line `sep=;`, which is no row."""
    first = "".join(lines.peek(1)).strip().strip('"')
    if len(first) != len("sep=;") or not first.lower().startswith("sep="):
        return None
    next(lines)
    return first[-1]


def _rows(path: Path, lines: _Lines, separator: str) -> Rows:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    broken = 0
    while True:
        start = lines.number + 1
        lines.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            broken += 1
            if broken > MOST_BROKEN:
                raise UserError(f"{path}: over {MOST_BROKEN:,} rows have quotation marks that do not fit: it is not a CSV file, "
                                "or its separator is another than it seems (`separator` in the mapping says which)") from None
            lines.take_back_all_but_the_first()
            yield Broken(start, "a quotation mark is not closed, or stands where none may, or a cell has over "
                                f"{csv.field_size_limit():,} characters")
            continue
        yield Row(start, cells)


class _Lines(Iterator[str]):
    """Lines of a text that can be taken back."""

    def __init__(self, path: Path, text: io.TextIOWrapper) -> None:
        self.number = 0
        self.taken: list[str] = []
        self._path, self._text = path, text
        self._again: deque[str] = deque()

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        return line

    def peek(self, count: int) -> list[str]:
        """The next lines, which are still to come."""
        while len(self._again) < count and (line := self._read()):
            self._again.append(line)
        return list(self._again)[:count]

    def take_back_all_but_the_first(self) -> None:
        """The lines taken since `taken` was last cleared come again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1

    def _read(self) -> str:
        try:
            line = self._text.readline(LONGEST_LINE)
        except UnicodeError:   # UTF-16 without its mark is no UnicodeDecodeError
            raise UserError(f"{self._path}: is not in the encoding {self._text.encoding} after line {self.number}: save it as "
                            "CSV UTF-8, or say another `encoding` in the mapping") from None
        if len(line) == LONGEST_LINE:
            raise UserError(f"{self._path}: line {self.number + 1} has over a million characters: it is not a CSV file")
        return line
