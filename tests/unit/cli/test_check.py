"""`keepintouch check` as its user sees it: files in, a summary, files out, and one line for each mistake."""

import contextlib
import csv
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reference.command import Ran, keepintouch

AS_OF = ("--as-of", "2026-03-02")
PEOPLE = """person_id,born_on,category,supported_since,in_touch,adviser_id,adviser_since,team_ref,plan_reviewed_on
000123,2006-05-04,former_relevant,2022-05-04,YES,W17,2024-01-08,north,2026-01-01
000124,04/05/2006,former_relevant,2022-05-04,YES,W17,2024-01-08,north,2026-01-01
000125,2006-13-45,former_relevant,2022-05-04,YES,W17,2024-01-08,north,2026-01-01
"""
CONTACTS = """record_id,person_id,recorded_at,occurred_at,worker_id,worker_role,channel,direction,outcome
1,000123,2026-02-20 16:00,2026-02-20 10:30,W17,personal_adviser,face_to_face,out,completed
2,000124,2026-02-21 16:00,2026-02-21 10:30,W17,personal_adviser,text,out,left_message
3,000124,2025-12-01 16:00,2025-12-01 10:30,W17,personal_adviser,carrier pigeon,out,completed
4,000999,2026-02-21 16:00,2026-02-21 10:30,W17,personal_adviser,phone,out,completed
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "contacts.csv").write_text(CONTACTS)
    return ["--people", str(tmp_path / "people.csv"), "--contacts", str(tmp_path / "contacts.csv")]


def run(*arguments: str) -> Ran:
    return keepintouch("check", *arguments)


def test_two_files_and_a_policy_are_enough(files: list[str], tmp_path: Path) -> None:
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--html", str(tmp_path / "r.html"), "--csv", str(tmp_path / "out"))
    assert (ran.status, ran.err) == (0, "")
    assert "1 of 2" in ran.out
    assert "2 rows were not taken in" in ran.out
    assert "someone who is not in the people file" in ran.out
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "000124" in page
    assert "carrier pigeon" in page
    rejected = list(csv.reader(io.StringIO((tmp_path / "out" / "rejected.csv").read_text(encoding="utf-8-sig"))))
    assert [row[:4] for row in rejected[1:]] == [["people.csv", "4", "born_on", "2006-13-45"],
                                                ["contacts.csv", "4", "channel", "carrier pigeon"]]


def test_what_no_column_says_is_told_and_not_held_against_anyone(files: list[str]) -> None:
    ran = run(*files, "--policy", "standard_8_week", *AS_OF)
    assert "statutory visit overdue" in ran.out
    assert "not told, since no column says where a visit was: " in ran.out


def test_a_day_long_after_the_last_record_is_asked_about(files: list[str]) -> None:
    assert "--as-of 2026-02-21" in run(*files, "--policy", "standard_8_week", "--as-of", "2026-08-01").out
    assert "--as-of" not in run(*files, "--policy", "standard_8_week", *AS_OF).out


def test_another_policy_beside_it_and_a_headline_of_another(files: list[str]) -> None:
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--compare", "letter_2017", "--reported", "letter_2017")
    assert "As letter_2017 counts it." in ran.out
    assert "alerts a month, by the records" in ran.out
    assert "2 of 2" in ran.out


def test_published_it_names_nobody(files: list[str], tmp_path: Path) -> None:
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--publish", "--html", str(tmp_path / "r.html"))
    assert ran.status == 0
    assert "0001" not in ran.out + (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "say who the people are"),
    (["--people", "nowhere.csv"], "nowhere.csv: cannot be read"),
    (["--events", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    (["--events", "x", "--people", "y"], "--events is read by itself"),
    (["--events", "nowhere.jsonl", "--as-of", "02/03/2026"], "--as-of '02/03/2026' is no day"),
    (["--events", "nowhere.jsonl", "--as-of", "9999-12-31"], "is no day"),
    (["--events", "nowhere.jsonl", "--compare", "nonesuch"], "nonesuch"),
    (["--events", "nowhere.jsonl", "--publish", "--worklist", "x"], "leave out --publish"),
    (["--events", "nowhere.jsonl", "--case-link", "x"], "--case-link")])
def test_a_mistake_is_one_line(arguments: list[str], said: str) -> None:
    ran = run("--policy", "standard_8_week", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("keepintouch: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("option", [("--html", "contacts.csv"), ("--csv", ".")])
def test_no_file_that_is_read_is_written_over(files: list[str], tmp_path: Path, option: tuple[str, str]) -> None:
    name, where = option
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, name, str(tmp_path / where))
    assert (ran.status, ran.out, "would be lost" in ran.err) == (2, "", True)
    assert [(tmp_path / each).read_text() for each in ("people.csv", "contacts.csv")] == [PEOPLE, CONTACTS]


def test_a_policy_that_there_is_not_and_a_page_that_cannot_be_written(files: list[str], tmp_path: Path) -> None:
    assert run(*files, "--policy", "nonesuch").status == 2
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--html", str(tmp_path))
    assert (ran.status, "cannot be written" in ran.err) == (2, True)


def test_mappings_are_told_apart_by_their_kind(files: list[str], tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text("kind: visits\nfeed: visits\ncolumns: {person_ref: a, occurred_at: b}\nconstants: {outcome: seen}\n")
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--mapping", str(mapping))
    assert (ran.status, "add --visits FILE" in ran.err) == (2, True)
    ran = run(*files, "--policy", "standard_8_week", *AS_OF, "--mapping", str(mapping), "--mapping", str(mapping))
    assert (ran.status, "second mapping of visits" in ran.err) == (2, True)


def test_a_console_that_does_not_know_the_characters_gets_others(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE.replace("W17", "Zoë Ωmega"), encoding="utf-8")
    command = [sys.executable, "-m", "keepintouch", "check", *files, "--policy", "standard_8_week", *AS_OF]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE,
                          env=os.environ | {"PYTHONIOENCODING": "ascii", "TERM": "dumb"}) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):   # how Linux says that the other end is closed
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert b"1 of 2" in shown
    assert b"?" in shown


def test_events_that_are_not_accepted_are_listed(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b'{"specversion": "1.0"}\n\nnot json\n')
    ran = run("--events", str(events), "--policy", "standard_8_week", *AS_OF)
    assert ran.status == 0
    assert "2 rows were not taken in" in ran.out
    assert "not_json" in ran.out
