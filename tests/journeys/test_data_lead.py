"""A data lead with two exports, no Kafka and twenty minutes: the tutorial, step by step, as it stands."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from keepintouch.files.mapping import load_mapping
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.topics import EVENTS
from scripts.tutorial_files import NOTES
from tests.reference.command import Ran, keepintouch

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "from-two-files-to-a-report.md"
FILES = ROOT / "docs" / "tutorial" / "files"
WITHOUT_EXTRAS = """
import json
import sys
for name in ("aiokafka", "alembic", "authlib", "faust", "fastapi", "httpx", "jinja2", "kafka", "openpyxl", "phonenumbers",
             "prometheus_client", "psycopg", "sqlalchemy", "tenacity", "twilio", "uvicorn",
             "fcntl", "grp", "pwd", "resource", "termios"):   # the last ones Windows does not have at all
    sys.modules[name] = None   # importing it fails, as where it is not installed
from keepintouch.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["keepintouch", *arguments]
    try:
        main()
    except SystemExit as end:
        print("exit status", end.code or 0)
"""


def commands() -> list[list[str]]:
    """What the tutorial tells one to type, but for the installation."""
    lines = re.findall(r"^    (keepintouch .*)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the two files, where one works."""
    for name in ("casenotes.csv", "annex-a.xlsx"):
        shutil.copy(FILES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settled(folder: Path) -> None:
    """Do in the editor what step 2 says."""
    mapping = folder / "casenotes.yaml"
    text = mapping.read_text(encoding="utf-8").replace("Supervision: reject", "Supervision: skip")
    mapping.write_text(re.sub(r"\s*# CHECK.*", "", text), encoding="utf-8")


def run(arguments: list[str]) -> Ran:
    ran = keepintouch(*arguments)
    assert ran.status == 0, ran.err
    return ran


def test_the_tutorial_holds_what_it_says(folder: Path) -> None:
    map_it, check_it, compare_it = commands()
    assert "doubts to settle, marked CHECK: 3" in run(map_it).err
    proposed = (folder / "casenotes.yaml").read_text(encoding="utf-8")
    for doubt in ("none of the usual formats", "are these visits", "Supervision: reject"):
        assert doubt in proposed
    settled(folder)
    assert load_mapping(folder / "casenotes.yaml") == load_mapping(FILES / "casenotes.yaml")

    said = run(check_it).out
    for figure in ("27 of 30", "19 of 30", "17 of 30", "8 young people are in touch by the headline but not in meaningful"):
        assert figure in said
    page = (folder / "report.html").read_text(encoding="utf-8")
    overdue = {row[0] for row in table(folder / "tables" / "alerts.csv")}
    assert len(overdue) == 12
    assert all(f">{case_id}</th>" in page for case_id in overdue)
    assert {row[0] for row in table(folder / "tables" / "people.csv")} == {row["Child Unique ID"] for row in list_9(folder)}

    assert [tuple(row) for row in table(folder / "tables" / "rejected.csv")] == stated_rejects()
    assert "no column says the day they moved in" in said
    assert "hostel" in said
    assert len(list((folder / "worklists").glob("*.html"))) >= 2

    assert "alerts a month, by the records" in run(compare_it).out


def stated_rejects() -> list[tuple[str, ...]]:
    """The rows of the tutorial's table of what was not taken in."""
    table = re.findall(r"^\| (casenotes\.csv) \| (\d+) \| (.+?) \| (.*?) ?\| (.+?) \|$", TUTORIAL.read_text(encoding="utf-8"),
                       re.MULTILINE)
    assert len(table) == 2
    return table


def table(path: Path) -> list[list[str]]:
    """The rows of a CSV file, without its headings."""
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))[1:]


def list_9(folder: Path) -> list[dict[str, str]]:
    """The rows of list 9."""
    rows = load_workbook(folder / "annex-a.xlsx")["List 9"].iter_rows(values_only=True)
    head = [str(cell) for cell in next(rows)]
    return [dict(zip(head, map(str, row), strict=True)) for row in rows]


def test_every_row_of_the_export_is_counted_left_out_or_rejected(folder: Path) -> None:
    shutil.copy(FILES / "casenotes.yaml", folder)
    said = run(commands()[1]).out
    rows = len((folder / "casenotes.csv").read_text(encoding="cp1252").splitlines()) - 1
    assert f"casenotes.csv: {rows:,} rows of contacts" in said
    assert "2 rows were not taken in" in said
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "casenotes.csv, 1 rows: left out, because the mapping says so." in page


def test_ids_keep_their_zeros_and_one_bad_cell_stops_nothing(folder: Path) -> None:
    lines = (folder / "casenotes.csv").read_text(encoding="cp1252").splitlines()
    assert tuple(lines[0].split(",")) == NOTES
    (folder / "people.csv").write_text(
        "person_id,born_on,category,supported_since\n000123,2007-01-31,former_relevant,2025-01-31\n")
    case, rest = "000123", lines[1].split(",", 1)[1]
    broken = ["\"unclosed," + rest, f"{case},x,Telephone call,not a day,09:00,2001,Personal adviser,Completed,,,", ",,,,,,,,,,"]
    many = [f"{n % 900:06},n{n},Text message,{n % 28 + 1:02}/09/2025,09:00,2001,Personal adviser,No reply,,,"
            for n in range(40_000)]
    (folder / "casenotes.csv").write_text("\n".join([lines[0], *broken, f"{case},{rest}", *many, broken[1]]) + "\n",
                                          encoding="cp1252")
    ran = run(["check", "--people", "people.csv", "--contacts", "casenotes.csv", "--mapping", str(FILES / "casenotes.yaml"),
               "--policy", "standard_8_week", "--as-of", "2025-09-30", "--csv", "tables"])
    assert "1 of 1" in ran.out
    assert [row[0] for row in table(folder / "tables" / "people.csv")] == ["000123"]
    assert [row[1] for row in table(folder / "tables" / "rejected.csv")] == ["2", "3", "40006"]
    assert "casenotes.csv: 40,004 rows of contacts" in ran.out


def test_a_workbook_that_has_lost_the_zeros_says_the_same_once_the_doubts_are_settled(folder: Path) -> None:
    rows = csv.reader(io.StringIO((folder / "casenotes.csv").read_text(encoding="cp1252"), newline=""))
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(as_a_spreadsheet_has_it(row))
    book.save(folder / "casenotes.xlsx")
    annex = load_workbook(folder / "annex-a.xlsx")
    for cells in annex["List 9"].iter_rows(min_row=2, max_col=1):
        cells[0].value = f"000{str(cells[0].value)[3:]}"
    annex.save(folder / "annex-a.xlsx")

    map_it, check_it, _ = ([each.replace("casenotes.csv", "casenotes.xlsx") for each in command] for command in commands())
    assert "doubts to settle, marked CHECK: 4" in run(map_it).err
    mapping = folder / "casenotes.yaml"
    proposed = mapping.read_text(encoding="utf-8")
    assert "a spreadsheet may have taken zeros off" in proposed
    mapping.write_text(proposed.replace("  person: 3 ", "  person: 6 "), encoding="utf-8")
    settled(folder)
    said = run(check_it).out
    for figure in ("27 of 30", "19 of 30", "17 of 30"):
        assert figure in said
    assert {row[0][:3] for row in table(folder / "tables" / "people.csv")} == {"000"}
    assert [tuple(row[1:3]) for row in table(folder / "tables" / "rejected.csv")] == [row[1:3] for row in stated_rejects()]


def as_a_spreadsheet_has_it(row: list[str]) -> list[object]:
    """Ids as numbers, days as days; what is none stays a text."""
    told: list[object] = list(row)
    if row[0].isdigit():
        told[0] = int(row[0][3:])
    for at, format_ in ((3, "%d/%m/%Y"), (9, "%d/%m/%Y %H:%M")):
        with contextlib.suppress(ValueError):
            told[at] = datetime.strptime(row[at], format_)
    return told


def test_the_same_every_night_from_a_folder(folder: Path, topics: object, kafka: KafkaSettings,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(FILES / "casenotes.yaml", folder)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    (folder / "drop").mkdir()
    run(["keys", "new", "lancashire"])
    nightly = ["import", "--council", "lancashire", "--watch", "drop", "--once", "--settle", "0s", "--mapping", "casenotes.yaml"]

    def night(text: str) -> str:
        (folder / "drop" / "casenotes.csv").write_text(text, encoding="cp1252")
        return run(nightly).out

    export = (folder / "casenotes.csv").read_text(encoding="cp1252")
    assert "published 1,311, left out 1, rejected 2" in night(export)
    [first] = (folder / "drop" / "done").iterdir()
    assert [tuple(row) for row in table(first / "casenotes.rejects.csv")] == stated_rejects()
    assert "published 0, unchanged 1,311, left out 1, rejected 2" in night(export)
    put_right = export.replace("31/02/2026", "28/02/2026")
    assert put_right != export
    assert "published 1, unchanged 1,311, left out 1, rejected 1" in night(put_right)
    assert len(list((folder / "drop" / "done").iterdir())) == 3
    assert list((folder / "drop" / "failed").iterdir()) == []
    about = [record for record in read_to_end(kafka, EVENTS) if b"feed:" not in (record.key or b"")]
    assert len(about) == 1_312


@pytest.mark.slow
def test_the_base_installation_is_enough(folder: Path) -> None:
    shutil.copy(FILES / "casenotes.yaml", folder)
    more = [["sources", "list"], ["topics", "check"], ["smoke"],
            ["import", "--council", "lancashire", "--kind", "people", "people.csv"]]
    bare = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONTZPATH": ""}   # time zones as a package, as on Windows
    ran = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_EXTRAS, json.dumps([commands()[1], *more])],
                         capture_output=True, text=True, check=False, timeout=300, cwd=folder, env=bare)
    assert "27 of 30" in ran.stdout, ran.stderr
    assert re.findall(r"exit status (\d)", ran.stdout) == ["0", "2", "2", "2", "2"]
    said = ran.stderr.splitlines()
    assert len(said) == len(more), "a line for what needs more, and none for what does not"
    assert all("needs more packages" in line and "install keep-in-touch[" in line for line in said), said
