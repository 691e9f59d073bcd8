"""Tables and worklists as they come out."""

import csv
import io
from pathlib import Path

import pytest

from keepintouch.check.material import Rejected
from keepintouch.check.screen import sparkline
from keepintouch.check.tables import write_tables
from keepintouch.check.worklist import check_case_link, write_worklists
from keepintouch.runtime.errors import UserError

from .town import Town, a_few


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    town = a_few()
    evil = town.person("evil", "=HYPERLINK(\"http://x\")", team_ref="@SUM(A1)", adviser_ref="town:w2", in_touch="NO")
    town.contact(evil, 5, record_id="-1+1", outcome="no_reply", channel="face_to_face")
    town.names["town:w2"] = "+44"
    report = town.report(rejected=(Rejected("=f.csv", 2, "\t=x", "-2+3", " =cmd|' /C calc'!A0"),))
    write_tables(tmp_path, report)
    cells = [cell for path in tmp_path.iterdir() for row in rows(path) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t"))]
    assert "'=HYPERLINK(\"http://x\")" in cells
    assert "'@SUM(A1)" in cells


def test_ids_keep_their_leading_zeros_and_every_person_has_a_row(tmp_path: Path) -> None:
    town = a_few()
    written = write_tables(tmp_path / "deep" / "er", town.report())
    assert [path.name for path in written] == ["people.csv", "alerts.csv", "months.csv", "quality.csv", "rejected.csv"]
    head, *people = rows(written[0])
    assert [row[0] for row in people] == [f"{number:06d}" for number in range(12)]
    by_name = dict(zip(head, people[1], strict=True))
    assert [by_name[name] for name in ("in_touch", "meaningful", "seen", "last_seen_by")] == ["yes", "yes", "yes", "known"]
    assert len(rows(written[2])) == 26


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_tables(tmp_path / "file" / "x", Town().report())
    with pytest.raises(UserError, match="cannot be written"):
        write_worklists(tmp_path / "file" / "x", a_few().report())


def test_each_adviser_has_a_page_of_their_own(tmp_path: Path) -> None:
    town = Town()
    for number, adviser in enumerate(("town:a_b", "town:A_B", "town:c", None, "town:idle")):
        ref = town.person(f"p{number}", f"id {number}/é", adviser_ref=adviser)
        if adviser == "town:idle":
            town.visit(ref, 3, announced=False, worker_ref="town:idle")
    (tmp_path / "worklist-gone.html").write_text("of an earlier run")
    (tmp_path / "mine.html").write_text("somebody's own")
    town.names |= {"town:a_b": "../../a b", "town:A_B": "../../A B"}
    pages = {path.name: path.read_text(encoding="utf-8") for path in
             write_worklists(tmp_path, town.report(), "https://lcs.example/case?{id}")}
    assert sorted(name.casefold() for name in pages) == [
        "worklist-a-b-2.html", "worklist-a-b.html", "worklist-no-adviser.html", "worklist-town-c.html"]
    assert 'href="https://lcs.example/case?id%202%2F%C3%A9"' in pages["worklist-town-c.html"]
    assert "Seen at least every eight weeks." in pages["worklist-town-c.html"]
    assert "id 3" not in pages["worklist-town-c.html"]
    assert {path.name for path in tmp_path.iterdir()} == {*pages, "mine.html"}


@pytest.mark.parametrize("link", ["", "https://lcs.example/", "javascript:{id}", "lcs/{id}"])
def test_a_case_link_is_an_address_with_a_place_for_the_id(link: str) -> None:
    with pytest.raises(UserError, match="--case-link"):
        check_case_link(link)


def test_a_course_is_one_block_a_month() -> None:
    assert sparkline([None, 0.5, 0.75, 1.0], 0.5, 1.0) == "·▁▄█"
    assert sparkline([0.5, 0.5], 0.5, 0.5) == "▁▁"
