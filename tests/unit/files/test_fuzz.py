"""Whatever a file holds, every row becomes something, or the whole is one line; and what we write is no formula."""
from __future__ import annotations

import csv
import io
import string
import tempfile
import tracemalloc
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepintouch.files.dates import Dates, Unreadable
from keepintouch.files.fields import FIELDS, KINDS, Kind
from keepintouch.files.formats import annex_a
from keepintouch.files.mapping import default_mapping
from keepintouch.files.mapping_text import as_yaml
from keepintouch.files.proposing import propose
from keepintouch.files.reading import Rejected, Skipped, Statement, read_table
from keepintouch.files.report import HEADINGS, RejectsFile
from keepintouch.files.tables import open_table
from keepintouch.runtime.errors import UserError

from .conftest import NAMES, NOW

LIKELY = st.sampled_from([
    "", " ", "000123", "W1", "2026-03-01", "01/03/2026 10:00", "31/02/2026", "completed", "text", "phone", "home", "seen", "yes",
    "no", "former_relevant", "eligible", "personal_adviser", "=1+1", "+44 7700 900123", "@SUM(A1)", "-", "1.5E+10", "45000",
    "1900-01-01", "D1", "out", "in", "\x00", "\ufffd", "é" * 40, '"', "'", ";", "a,b", "a\nb", "9" * 400,
    "YES", "adviser", "sms", "\u202e123"])
CELLS = st.one_of(LIKELY, st.text(max_size=12))
TYPED = st.one_of(LIKELY.filter(lambda text: text.isprintable()), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
                  st.booleans(), st.dates(), st.datetimes(), st.times(), st.timedeltas(timedelta(0), timedelta(days=30)),
                  st.none())
USUAL = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=40)


def one_line(error: UserError) -> None:
    assert "\n" not in str(error)


def does_not_repeat(text: str, error: Unreadable) -> None:
    assert len(text) < 3 or text not in str(error)


def told(path: Path, kind: Kind) -> tuple[int, int]:
    """Rows of the table and what became of them; UserError where it cannot be read."""
    with open_table(path) as table:
        rows = list(table.rows)
    with open_table(path) as table:
        found = list(read_table(table, default_mapping(kind), NAMES, now=NOW, lenient=True))
    assert all(isinstance(each, Statement | Rejected | Skipped) for each in found)
    assert all(each.reason for each in found if isinstance(each, Rejected))
    return len(rows), len(found)


@USUAL
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_every_row_of_a_csv_file_becomes_something(data: st.DataObject, kind: Kind) -> None:
    headings = list(FIELDS[kind])
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(headings), max_size=len(headings) + 1), max_size=6))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([headings, *rows])
        try:
            before, after = told(path, kind)
        except UserError as error:
            one_line(error)
        else:
            assert before == after


@USUAL
@given(data=st.binary(max_size=400), start=st.sampled_from([
    b"", b"record_id,person_ref,occurred_at,channel,worker_role\n1,2,", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"sep=;\n",
    b"\xd0\xcf\x11\xe0"]))
def test_any_bytes_are_rows_or_one_line(data: bytes, start: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(start + data)
        for read in (lambda: told(path, "contacts"), lambda: _proposed(path), lambda: annex_a(path)):
            try:
                read()
            except UserError as error:
                one_line(error)


@settings(USUAL, max_examples=20)
@given(rows=st.lists(st.lists(TYPED, min_size=9, max_size=9), max_size=4))
def test_every_row_of_a_workbook_becomes_something(rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [list(FIELDS["contacts"]), *rows]:
        book.active.append([_storable(cell) for cell in row])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xlsx"
        book.save(path)
        try:
            before, after = told(path, "contacts")
            _proposed(path)
        except UserError as error:
            one_line(error)
        else:
            assert before == after


@given(damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
@settings(USUAL, max_examples=20)
def test_a_damaged_workbook_is_rows_or_one_line(damage: list[tuple[float, bytes]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["record_id", "person_ref", "occurred_at", "channel", "worker_role"])
    book.active.append(["1", "2", datetime(2026, 3, 1), "text", "duty"])
    buffer = io.BytesIO()
    book.save(buffer)
    content = bytearray(buffer.getvalue())
    for share, piece in damage:
        at = int(share * (len(content) - 1))
        content[at:at + len(piece)] = piece
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xlsx"
        path.write_bytes(content)
        try:
            told(path, "contacts")
        except UserError as error:
            one_line(error)


@given(text=st.one_of(st.text(max_size=30), st.text(string.digits + "/-.: apmAPM", max_size=20)))
def test_any_text_is_a_day_or_unreadable(text: str) -> None:
    dates = Dates(("dd/mm/yyyy", "yyyy-mm-dd", "dd/mm/yy", "d mon yyyy", "serial"))
    for read in (dates.day, dates.instant, lambda cell: dates.instant("01/03/2026", cell)):
        try:
            found = read(text)
        except Unreadable as error:
            does_not_repeat(text, error)
        else:
            assert isinstance(found, date)


@given(day=st.dates(date(1910, 1, 1), date(2199, 12, 31)), clock=st.times(), format_=st.sampled_from(["%d/%m/%Y", "%Y-%m-%d"]))
def test_a_day_written_is_the_day_read(day: date, clock: time, format_: str) -> None:
    written = datetime.combine(day, clock)
    assert Dates().day(written.strftime(f"{format_} %H:%M:%S")) == day
    assert Dates().day(written) == day
    assert Dates().day(day) == day


@given(value=st.one_of(CELLS, st.sampled_from(["=cmd|'/c calc'!A1", "+1", "-2", "@x", "\t=1", "\r=1", " =1", "%0A=1"])))
def test_no_cell_that_we_write_is_a_formula(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rejects.csv"
        with RejectsFile(path) as rejects:
            rejects.add("=x.csv", Rejected(2, value, value, value))
        with path.open(encoding="utf-8-sig", newline="") as file:
            first, row = csv.reader(file)
        assert tuple(first) == HEADINGS
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "|", "%")) for cell in row)


def test_the_list_of_an_earlier_run_is_not_taken_for_that_of_this_one(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "notes.rejects.csv", tmp_path / "theirs.csv"
    theirs.write_text("of somebody else", encoding="utf-8")
    with RejectsFile(ours) as rejects:
        rejects.add("notes.csv", Rejected(2, "", "", "x"))
    with pytest.raises(RuntimeError), RejectsFile(ours):
        raise RuntimeError
    assert ours.exists(), "nobody knows what that run would have found"
    for path in (ours, theirs, tmp_path / "none.csv"):
        with RejectsFile(path):
            pass
    assert [path.exists() for path in (ours, theirs)] == [False, True]


def test_many_rows_need_no_more_memory_than_a_few(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    line = "{0},{1:06},2026-03-01 10:00,W1,duty,text,out,no_reply\n"
    with path.open("w", encoding="utf-8") as file:
        file.write("record_id,person_ref,occurred_at,worker_ref,worker_role,channel,direction,outcome\n")
        file.writelines(line.format(n, n % 1_000) for n in range(9_000))
    peaks = []
    for rows in (3_000, 9_000):
        tracemalloc.start()
        with open_table(path) as table:
            for each in islice(read_table(table, default_mapping("contacts"), NAMES, now=NOW, lenient=True), rows):
                assert isinstance(each, Statement)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3 + 500_000


def _proposed(path: Path) -> None:
    with open_table(path) as table:
        as_yaml(propose(table))


def _storable(cell: Any) -> Any:
    if isinstance(cell, date) and cell.year < 1900:
        return cell.replace(year=1900 + cell.year % 300)
    return cell


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_is_no_rows(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",".join(FIELDS[kind]) + "\n", encoding="utf-8")
    assert told(path, kind) == (0, 0)
