"""Exports read: how many rows of contacts become statements, with refs made by a key, in a second of one core; and how many of
a file are imported, new ones and ones that are known: read, looked up, acknowledged by a Kafka and written down."""
from __future__ import annotations

import contextlib
import csv
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from keepintouch.files.formats import mapped
from keepintouch.files.mapping import Mapping
from keepintouch.files.reading import Statement, read_contacts
from keepintouch.publishing import sending
from keepintouch.refs import Refs
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import EVENTS
from services.intake.database import open_database
from services.intake.imports_files import Importer

from .events import PARTITIONS
from .kafka import broker, written
from .worker import WrongRun

_NOW = datetime(2026, 12, 1, tzinfo=UTC)
_HEADINGS = ["Note ID", "Client ID", "Client Name", "Contact Date", "Contact Time", "Created On", "Created By", "Type", "Note"]
_TYPES = ["Telephone call", "Text message", "Home visit", "E-mail", "Letter"]
_MAPPING = Mapping.model_validate({
    "kind": "contacts", "feed": "notes", "dates": ["dd/mm/yyyy"], "widths": {"person": 6},
    "columns": {"record_id": "Note ID", "person_ref": "Client ID", "recorded_at": "Created On", "worker_ref": "Created By",
                "occurred_at": {"column": "Contact Date", "time": "Contact Time"}},
    "types": {"column": "Type", "values": {
        "Telephone call": {"channel": "phone", "outcome": "completed"}, "Text message": {"channel": "text"},
        "Home visit": {"as": "visit", "location": "home", "outcome": "seen"}, "E-mail": {"channel": "email"},
        "Letter": {"channel": "letter"}}},
    "constants": {"worker_role": "personal_adviser"}})


def files(csv_rows: int, xlsx_rows: int) -> dict[str, Any]:
    """Rows a CPU second of a CSV file and of a workbook, and by how many MB the process grew while it read the first."""
    with tempfile.TemporaryDirectory() as folder:
        table, tenth, book = (Path(folder) / name for name in ("notes.csv", "tenth.csv", "notes.xlsx"))
        for path, rows in ((table, csv_rows), (tenth, csv_rows // 10)):
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(chain([_HEADINGS], _rows(rows)))
        workbook = Workbook(write_only=True)
        sheet = workbook.create_sheet("Notes")
        for row in chain([_HEADINGS], _rows(xlsx_rows)):
            sheet.append(row)
        workbook.save(book)
        before = _peak_mb()
        csv_seconds = _read(table, csv_rows)
        grown = _peak_mb() - before
        xlsx_seconds = _read(book, xlsx_rows)
        with broker() as settings:
            new, known = _import(settings, tenth, csv_rows // 10)
            xlsx_new, xlsx_known = _import(settings, book, xlsx_rows, before=written(settings, EVENTS))
        return {"csv_rows_per_s": round(csv_rows / csv_seconds), "csv_grew_mb": grown,
                "xlsx_rows_per_s": round(xlsx_rows / xlsx_seconds), "csv_rows": csv_rows, "xlsx_rows": xlsx_rows,
                "import_new_per_s": new, "import_known_per_s": known,
                "import_xlsx_new_per_s": xlsx_new, "import_xlsx_known_per_s": xlsx_known}


def _read(path: Path, rows: int) -> float:
    started = time.process_time()
    read = sum(isinstance(told, Statement) for told in read_contacts(path, _MAPPING, Refs("council", b"k" * 64), now=_NOW))
    seconds = time.process_time() - started
    if read != rows:
        raise WrongRun(f"{read} rows of {rows} were read")
    return seconds


def _import(settings: KafkaSettings, path: Path, rows: int, before: int = 0) -> list[int]:
    """Rows a CPU second, Kafka's client and all, of a file that is imported for the first time, and again."""
    found = []
    with contextlib.closing(open_database(f"sqlite:///{path}.db")) as database:
        for what in ("published", "unchanged"):
            started = time.process_time()
            with sending(settings) as sender:
                [done] = Importer(database, sender, Refs("council", b"k" * 64), dict).file(path, [mapped(path, _MAPPING)], _NOW)
            found.append(round(rows / (time.process_time() - started)))
            if done.outcome.counts != {what: rows}:
                raise WrongRun(f"{done.outcome.counts} of {rows} rows")
    if (there := written(settings, EVENTS) - before) != rows + 2 * PARTITIONS:   # with the manifests of both
        raise WrongRun(f"{there} records of {rows} rows")
    return found


def _rows(count: int) -> Iterator[list[str]]:
    for n in range(count):
        day = f"{n % 28 + 1:02}/{n % 11 + 1:02}/2026"
        yield [str(n), str(n % 3_000), "Somebody", day, f"{n % 12 + 8:02}:{n % 60:02}", f"{day} 17:{n % 60:02}", f"W{n % 60}",
               _TYPES[n % len(_TYPES)], f"A note of some length, which is never taken. {n}"]


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
