"""What `keepintouch map` proposes, and what it says it is not sure of."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keepintouch.cli import app
from keepintouch.files.fields import KINDS
from keepintouch.files.mapping import Mapping, load_mapping
from keepintouch.files.mapping_text import CHECK, as_yaml
from keepintouch.files.proposing import Proposal, propose
from keepintouch.files.reading import Rejected, Statement
from keepintouch.files.tables import open_table
from keepintouch.runtime.errors import UserError

from .conftest import read

Write = Callable[..., Path]
NOTES = """Casenote ID,Mosaic ID,Note Type,Contact Date,Contact Time,Date Recorded,Created By,Worker Name,Note Text
1,123,Telephone call,03/04/2025,10:15,04/04/2025,W17,Jo,"long text"
2,1234,Text message sent,04/05/2025,,05/05/2025,W17,Jo,secret words
3,12345,Home Visit - Seen,05/05/2025,14:00,05/05/2025,W17,Jo,secret words
4,12345,NFA,05/05/2025,14:00,05/05/2025,W17,Jo,secret words
"""


def proposed(path: Path, **options: Any) -> Proposal:
    with open_table(path) as table:
        return propose(table, **options)


def loaded(tmp_path: Path, text: str) -> Mapping:
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    return load_mapping(tmp_path / "m.yaml")


class TestCaseNotes:
    @pytest.mark.parametrize("name", ["2026-03-04.csv", "no.csv", "null.csv"])
    def test_a_file_whose_name_yaml_would_take_for_something_else(self, csv_file: Write, tmp_path: Path, name: str) -> None:
        found = proposed(csv_file(NOTES, name=name))
        assert loaded(tmp_path, as_yaml(found)).feed == found.feed

    def test_what_is_proposed_can_be_used_once_the_doubts_are_settled(self, csv_file: Write, tmp_path: Path) -> None:
        path = csv_file(NOTES, name="casenotes.csv")
        text = as_yaml(proposed(path))
        assert text.count(CHECK) >= 4
        mapping = loaded(tmp_path, text.replace("{channel: phone, direction: out}",
                                                "{channel: phone, direction: out, outcome: completed}"))
        told = read(path, mapping)
        assert [type(each).__name__ for each in told] == ["Statement", "Statement", "Statement", "Rejected"]
        assert [each.data.person_ref for each in told if isinstance(each, Statement)] == [
            "lancashire:00123", "lancashire:01234", "lancashire:12345"]

    def test_doubts_are_about_what_a_person_must_know(self, csv_file: Write) -> None:
        found = proposed(csv_file(NOTES))
        assert found.kind == "contacts"
        assert found.doubts.keys() == {"dates", "widths.person", "types.phone", "types.visit", "types.reject",
                                       "constants.worker_role"}
        assert "other way round" in found.doubts["dates"][0]
        assert found.unused == ["Worker Name", "Note Text"]

    def test_no_note_name_or_id_is_repeated(self, csv_file: Write) -> None:
        text = as_yaml(proposed(csv_file(NOTES)))
        assert not {"secret words", "12345", "Jo"} & set(text.replace(",", "\n").split("\n"))
        assert "secret" not in text
        assert "12345" not in text

    def test_a_day_after_the_twelfth_settles_which_is_the_month(self, csv_file: Write) -> None:
        assert "dates" not in proposed(csv_file(NOTES.replace("05/05/2025", "25/05/2025"))).doubts
        found = proposed(csv_file(NOTES.replace("05/05/2025", "05/25/2025")))
        assert found.dates == ["mm/dd/yyyy"]
        assert any("America" in doubt for doubt in found.doubts["dates"])

    def test_day_and_month_are_never_proposed_in_either_order(self, csv_file: Write) -> None:
        days = "".join(f"1,{day}/10/2026,text\n" for day in range(10, 29)) + "1,10/29/2026,text\n"
        found = proposed(csv_file(f"Client ID,Date,Channel\n{days}"))
        assert found.dates == ["dd/mm/yyyy"]
        assert any("the other way round" in doubt for doubt in found.doubts["dates"])

    def test_columns_that_only_visits_have_are_proposed_where_a_type_is_one(self, csv_file: Write, tmp_path: Path) -> None:
        path = csv_file("Client ID,Date,Note Type,Outcome,Where seen,Seen alone\n1,13/02/2026,Home visit,Seen,Own flat,Y\n"
                        "1,14/02/2026,Text message,Sent,no idea,-\n")
        found = proposed(path)
        assert (found.kind, found.columns["location"], found.columns["seen_alone"]) == ("contacts", "Where seen", "Seen alone")
        assert found.codes["location"] == {"Own flat": "home"}, "what the others have there is not asked about"
        visit, _ = read(path, loaded(tmp_path, as_yaml(found)))
        assert isinstance(visit, Statement)
        assert (visit.data.location, visit.data.seen_alone) == ("home", True)
        assert "location" not in proposed(csv_file("Client ID,Date,Note Type,Location\n1,13/02/2026,Text,x\n")).columns

    def test_serials_two_digit_years_and_what_is_no_day(self, csv_file: Write, workbook: Write) -> None:
        book = workbook([["Client ID", "Date", "Channel"], ["1", 46_000, "text"], ["2", date(2026, 3, 1), "text"]])
        assert "serial" in proposed(book).dates
        found = proposed(csv_file("Client ID,Date,Channel\n1,13/02/26,text\n2,often,text\n"))
        assert found.dates == ["dd/mm/yy"]
        assert any("two digits" in doubt for doubt in found.doubts["dates"])
        assert any("rejected" in doubt for doubt in found.doubts["dates"])

    def test_codes_that_are_not_known(self, csv_file: Write, tmp_path: Path) -> None:
        path = csv_file("Client ID,Date,Method,Outcome\n1,13/02/2026,Tel,Spoke to YP\n1,14/02/2026,Pigeon,Zxq\n")
        found = proposed(path)
        assert found.codes == {"channel": {"Tel": "phone", "Pigeon": "reject"},
                               "outcome": {"Spoke to YP": "completed", "Zxq": "reject"}}
        assert found.doubts.keys() >= {"codes.channel", "codes.outcome"}
        assert "phone, text" in found.doubts["codes.channel"][0].replace("video, ", "")
        mapping = loaded(tmp_path, as_yaml(found))
        assert mapping.codes["channel"]["Tel"] == "phone"
        first, second = read(path, mapping)
        assert isinstance(first, Statement)
        assert isinstance(second, Rejected)
        assert (second.column, second.value) == ("Method", "Pigeon")

    def test_a_column_of_free_text_is_not_taken_for_codes(self, csv_file: Write) -> None:
        rows = "\n".join(f"1,13/02/2026,words {n}" for n in range(70))
        found = proposed(csv_file(f"Client ID,Date,Outcome\n{rows}\n"))
        assert "outcome" not in found.codes
        assert "right column" in found.doubts["columns.outcome"][0]

    def test_times_of_day_that_cannot_be_read(self, csv_file: Write) -> None:
        times = "Client ID,Contact date,Time,Channel\n1,13/02/2026,10:15,text\n1,13/02/2026,,text\n1,13/02/2026,{},text\n"
        for time, said in (("2.05 pm", []), ("1030", ["1 of the times"]), ("morning", ["1 of the times"])):
            doubts = proposed(csv_file(times.format(time))).doubts.get("columns.occurred_at", [])
            assert [doubt[:14] for doubt in doubts] == said

    def test_where_the_headings_are_in_another_row_it_says_how_to_name_it(self, csv_file: Write) -> None:
        path = csv_file("Who,Who too,When,What\nClient ID,Name,Date,Channel\n1,x,13/02/2026,text\n")
        assert any("--header-row" in doubt for doubt in proposed(path).doubts["columns"])
        assert not any("--header-row" in doubt for doubt in proposed(csv_file(NOTES)).doubts.get("columns", []))

    def test_headings_twice(self, csv_file: Write) -> None:
        found = proposed(csv_file("Client ID,Date,Date,Channel\n1,13/02/2026,13/02/2026,text\n"))
        assert "more than once" in found.doubts["columns.occurred_at"][0]


class TestCommands:
    def test_every_template_is_understood_without_a_mapping(self, tmp_path: Path) -> None:
        for kind in KINDS:
            done = CliRunner().invoke(app, ["template", kind])
            assert done.exit_code == 0
            path = tmp_path / f"{kind}.csv"
            path.write_text(done.stdout, encoding="utf-8")
            (told,) = read(path, kind=kind)
            assert isinstance(told, Statement), (kind, told)
            assert proposed(path).kind == kind

    def test_map_writes_a_file_once_and_names_the_rules_nothing_feeds(self, csv_file: Write, tmp_path: Path) -> None:
        path, out = csv_file(NOTES), tmp_path / "notes.yaml"
        done = CliRunner().invoke(app, ["map", str(path), "--out", str(out)])
        assert done.exit_code == 0
        assert "doubts to settle" in done.stderr
        text = out.read_text(encoding="utf-8")
        assert "#   - unannounced_visit_due" in text
        assert load_mapping(out).kind == "contacts"
        again = CliRunner().invoke(app, ["map", str(path), "--out", str(out)])
        assert "cannot be written" in str(again.exception)

    def test_what_it_prints_can_be_read_again_whatever_the_shell_makes_of_it(self, csv_file: Write, tmp_path: Path) -> None:
        path = csv_file("Client ID,Date,Case Note Type,Zażółć\n1,13/02/2026,Text,x\n")
        windows = os.environ | {"PYTHONIOENCODING": "cp1252"}
        command = [sys.executable, "-m", "keepintouch", "map", str(path)]
        ran = subprocess.run(command, env=windows, capture_output=True, check=True)
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):   # as cmd, an editor, and PowerShell leave it
            (tmp_path / "m.yaml").write_text(ran.stdout.decode(), encoding=encoding)
            assert load_mapping(tmp_path / "m.yaml").feed == "export"
        (tmp_path / "m.yaml").write_text("feed: é", encoding="cp1252")
        with pytest.raises(UserError, match="save it as UTF-8"):
            load_mapping(tmp_path / "m.yaml")

    @pytest.mark.parametrize("arguments", [
        ["--kind", "letters"], ["--policy", "nowhere"], ["--header-row", "99"]])
    def test_mistakes_are_one_line(self, csv_file: Write, arguments: list[str]) -> None:
        done = CliRunner().invoke(app, ["map", str(csv_file(NOTES)), *arguments])
        assert done.exit_code != 0
        assert type(done.exception).__name__ == "UserError" or done.exit_code == 2
        assert "\n" not in str(done.exception)
