"""The list of rejected rows, as a CSV file that a spreadsheet opens without running anything in it."""
from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from keepintouch.runtime.errors import UserError

from .reading import Rejected

HEADINGS = ("file", "row", "column", "value", "reason")

_LONGEST_LINE = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that could be is preceded by an apostrophe."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


class RejectsFile:
    """Writes rejected rows as they come, in UTF-8 with a mark so that a spreadsheet sees it.

    The file is there once a row is. The list of an earlier run is gone when this one has ended without any.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        elif kind is None:
            with contextlib.suppress(OSError):   # there is none, or nobody may take it away
                with self.path.open(encoding="utf-8-sig", errors="replace") as earlier:
                    ours = earlier.readline(_LONGEST_LINE).strip() == ",".join(HEADINGS)
                if ours:
                    self.path.unlink()

    def add(self, file: str, rejected: Rejected) -> None:
        """Write one. Raises UserError if that cannot be done."""
        self._write((file, str(rejected.row), rejected.column, rejected.value, rejected.reason))
        self.rows += 1

    def _write(self, cells: Iterable[str]) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8-sig", errors="replace", newline="")
                csv.writer(self._file).writerow(HEADINGS)
            csv.writer(self._file).writerow(map(harmless, cells))
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from None
