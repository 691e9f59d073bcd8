"""Files of exports, written as they come."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from keepintouch.files.building import NOTHING, Known
from keepintouch.files.mapping import Mapping
from keepintouch.files.naming import PlainNames
from keepintouch.files.reading import Told, read_contacts, read_people, read_staff, read_visits

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
NAMES = PlainNames("lancashire")


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a text as a file, in an encoding."""
    def write(text: str, encoding: str = "utf-8", name: str = "export.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path
    return write


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes rows as a workbook of one sheet, or sheets by name."""
    def write(rows: Sequence[Iterable[Any]] | dict[str, Sequence[Iterable[Any]]], name: str = "export.xlsx") -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, each in (rows if isinstance(rows, dict) else {"Export": rows}).items():
            sheet = book.create_sheet(title)
            for row in each:
                sheet.append(list(row))
        path = tmp_path / name
        book.save(path)
        return path
    return write


def mapped(**said: Any) -> Mapping:
    """A mapping."""
    return Mapping.model_validate({"feed": "notes", **said})


def read(path: Path, mapping: Mapping | None = None, kind: str = "contacts", known: Known = NOTHING) -> list[Told[Any]]:
    """All that a file says."""
    kind = mapping.kind if mapping is not None else kind
    if kind == "staff":
        return list(read_staff(path, mapping, NAMES, now=NOW))
    readers: dict[str, Callable[..., Iterable[Told[Any]]]] = {
        "people": read_people, "contacts": read_contacts, "visits": read_visits}
    return list(readers[kind](path, mapping, NAMES, now=NOW, known=known))
