"""What can be opened as a table, and the one line that says why something cannot."""
from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from keepintouch.files.rows import Broken, Row
from keepintouch.files.tables import Layout, open_table, sheet_names
from keepintouch.runtime.errors import UserError

Write = Callable[..., Path]
ANYWHERE = Layout()
ROWS = "id,day\n000123,01/03/2026\n000124,02/03/2026\n"


def rows_of(path: Path, layout: Layout = ANYWHERE) -> tuple[tuple[str, ...], list[Row | Broken]]:
    with open_table(path, layout) as table:
        return table.headings, list(table.rows)


def refused(path: Path, layout: Layout = ANYWHERE) -> str:
    with pytest.raises(UserError) as error:
        rows_of(path, layout)
    text = str(error.value)
    assert "\n" not in text
    return text


class TestCsv:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_any_usual_encoding(self, csv_file: Write, encoding: str) -> None:
        headings, rows = rows_of(csv_file("id,naïve\n1,café\n", encoding))
        assert headings == ("id", "naïve")
        assert [list(row.cells) for row in rows if isinstance(row, Row)] == [["1", "café"]]

    def test_an_encoding_that_is_none_of_these(self, csv_file: Write, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_bytes(b"id,b\n1,\x81\n")
        assert "UTF-8" in refused(path)
        assert "encoding" in refused(csv_file("a,b\n1,2\n"), Layout(encoding="klingon"))
        path.write_bytes("id,b\n1,2\n".encode("utf-16-le"))
        assert "UTF-16" in refused(path)
        assert "CSV UTF-8" in refused(path, Layout(encoding="utf-16"))

    def test_a_wrong_encoding_in_the_mapping_is_one_line(self, csv_file: Write) -> None:
        assert "encoding" in refused(csv_file("id,b\n1,é\n", "cp1252"), Layout(encoding="utf-8"))

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_any_usual_separator(self, csv_file: Write, separator: str) -> None:
        headings, rows = rows_of(csv_file(ROWS.replace(",", separator)))
        assert headings == ("id", "day")
        assert len(rows) == 2

    def test_the_line_by_which_excel_names_its_separator_is_no_row(self, csv_file: Write) -> None:
        headings, rows = rows_of(csv_file("sep=;\n" + ROWS.replace(",", ";")))
        assert headings == ("id", "day")
        assert [row.number for row in rows] == [3, 4]

    def test_a_heading_that_begins_as_a_zip_file_does(self, csv_file: Write) -> None:
        assert rows_of(csv_file("PK_ID,day\n1,01/03/2026\n"))[0] == ("PK_ID", "day")

    def test_titles_above_the_headings(self, csv_file: Write) -> None:
        headings, rows = rows_of(csv_file("Case notes of March,\n\n" + ROWS))
        assert headings == ("id", "day")
        assert [row.number for row in rows] == [4, 5]

    def test_the_mapping_may_say_where_the_headings_are(self, csv_file: Write) -> None:
        path = csv_file("a,b\nid,day\n1,2\n")
        assert rows_of(path, Layout(header_row=2))[0] == ("id", "day")
        assert "header_row" in refused(path, Layout(header_row=9))

    def test_a_quotation_mark_that_is_not_closed_costs_its_own_row_only(self, csv_file: Write) -> None:
        lines = ["id,note", '1,"fine, ""quoted"""', '2,"never closed', '3,"good"', "4,plain", '5,"two\nlines"', "6,x"]
        _, rows = rows_of(csv_file("\n".join(lines) + "\n"))
        assert [row.number for row in rows if isinstance(row, Broken)] == [3]
        assert [row.cells[0] for row in rows if isinstance(row, Row)] == ["1", "3", "4", "5", "6"]

    def test_quotation_marks_everywhere_are_a_file_that_is_no_csv(self, csv_file: Write) -> None:
        text = "id,note\n" + '1,"x"y\n' * 1_100
        assert "separator" in refused(csv_file(text))

    def test_rows_that_are_longer_or_shorter_than_the_headings(self, csv_file: Write) -> None:
        _, rows = rows_of(csv_file("a,b,c\n1\n1,2,3,,\n1,2,3,4\n\n,,\n"))
        assert [list(row.cells) for row in rows if isinstance(row, Row)] == [["1", "", ""], ["1", "2", "3", "", ""]]
        assert [row.number for row in rows if isinstance(row, Broken)] == [4]

    def test_what_is_no_table(self, csv_file: Write, tmp_path: Path) -> None:
        assert "empty" in refused(csv_file(""))
        assert "empty" in refused(csv_file("\n \n"))
        assert "PDF" in refused(csv_file("%PDF-1.7 ..."))
        assert "web page" in refused(csv_file("<html><table><tr><td>id</td></tr></table>"))
        assert "cannot be read" in refused(tmp_path / "missing.csv")
        assert "cannot be read" in refused(tmp_path)
        assert "headings" in refused(csv_file(",\n".join("  " for _ in range(30)) + ",\na,b\n"))

    def test_a_line_without_an_end_does_not_fill_the_memory(self, csv_file: Write) -> None:
        assert "million" in refused(csv_file("a,b\n" + "x" * 1_100_000))

    def test_five_hundred_columns_are_fine_and_five_thousand_are_not(self, csv_file: Write) -> None:
        assert len(rows_of(csv_file(",".join(f"c{n}" for n in range(500)) + "\n"))[0]) == 500
        assert "columns" in refused(csv_file(",".join(f"c{n}" for n in range(5_000)) + "\n"))


class TestWorkbooks:
    def test_rows_with_the_numbers_a_spreadsheet_shows(self, workbook: Write) -> None:
        headings, rows = rows_of(workbook([["Title"], [], ["id", "n"], ["a", 1], [], ["b", 2.5]]))
        assert headings == ("id", "n")
        assert [(row.number, *row.cells) for row in rows if isinstance(row, Row)] == [(4, "a", 1), (6, "b", 2.5)]

    def test_merged_headings(self, tmp_path: Path) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in (["Report of all contacts", None], ["id", "day"], ["1", "x"]):
            sheet.append(row)
        sheet.merge_cells("A1:B1")
        book.save(tmp_path / "x.xlsx")
        assert rows_of(tmp_path / "x.xlsx")[0] == ("id", "day")

    def test_which_sheet(self, workbook: Write) -> None:
        path = workbook({"Cover": [], "Notes": [["id", "b"], ["1", "2"]], "Staff": [["id", "c"], ["1", "2"]]})
        assert sheet_names(path) == ["Cover", "Notes", "Staff"]
        assert "'Notes', 'Staff'" in refused(path)
        assert rows_of(path, Layout(sheet=" notes "))[0] == ("id", "b")
        assert "no sheet" in refused(path, Layout(sheet="Visits"))
        assert "empty" in refused(path, Layout(sheet="Cover"))
        assert "empty" in refused(workbook({"Cover": [], "Other": []}))

    def test_the_only_sheet_with_cells_need_not_be_named(self, workbook: Write) -> None:
        assert rows_of(workbook({"Cover": [], "Notes": [["id", "b"], ["1", "2"]]}))[0] == ("id", "b")

    def test_formulas_that_were_never_worked_out(self, workbook: Write) -> None:
        assert "formulas" in refused(workbook([["id", "b"], ["1", "=A2"]]))

    def test_what_is_no_workbook(self, workbook: Write, tmp_path: Path) -> None:
        whole = workbook([["id", "b"], ["1", "2"]]).read_bytes()
        path = tmp_path / "x.xlsx"
        for damaged in (whole[:-300], whole[:40], b"PK\x03\x04 and nothing", whole[:500] + b"\0" * 200 + whole[700:]):
            path.write_bytes(damaged)
            assert "damaged" in refused(path)
        path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
        assert ".xls)" in refused(path)
        path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"))
        assert "password" in refused(path)
        path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * (2 << 20) + "EncryptedPackage".encode("utf-16-le"))
        assert "password" in refused(path)
        for name, said in (("export.csv", "zip file"), ("content.xml", ".ods"), ("xl/workbook.bin", ".xlsb")):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(name, ROWS)
            assert said in refused(path)

    @pytest.mark.parametrize("name", ["export.xls", "export", "export.csv"])
    def test_a_workbook_is_one_whatever_its_name(self, workbook: Write, name: str) -> None:
        assert rows_of(workbook([["id", "b"], ["1", "2"]], name=name))[0] == ("id", "b")

    def test_a_small_file_that_unpacks_to_a_very_large_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("keepintouch.files.workbook.LARGEST_UNPACKED", 20 << 20)   # the real one takes seconds to pack
        path = tmp_path / "bomb.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/sharedStrings.xml", "w",
                                                                                      force_zip64=True) as file:
            for _ in range(21):
                file.write(b"\0" * (1 << 20))
        assert path.stat().st_size < 100_000
        assert "unpacks" in refused(path)

    def test_a_cell_far_away_does_not_fill_the_memory(self, tmp_path: Path) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        sheet["A1"], sheet["B1"], sheet["XFD1048576"] = "id", "b", "x"
        book.save(tmp_path / "x.xlsx")
        assert "most of them empty" in refused(tmp_path / "x.xlsx")
        with zipfile.ZipFile(tmp_path / "x.xlsx") as usual, zipfile.ZipFile(tmp_path / "y.xlsx", "w") as elsewhere:
            for part in usual.namelist():
                elsewhere.writestr(part.replace("worksheets/sheet1", "elsewhere/sheet1"),
                                   usual.read(part).replace(b"worksheets/sheet1", b"elsewhere/sheet1"))
        assert "most of them empty" in refused(tmp_path / "y.xlsx")


@pytest.mark.parametrize("above", ["Who,,,When", "Report of,Care leavers", "Report of,Care leavers\n,,,", "Title"])
def test_titles_and_groups_of_columns_are_not_taken_for_headings(csv_file: Write, above: str) -> None:
    headings = "Client ID,Name,Team,Contact Date,Type,Outcome,Worker,Role"
    with open_table(csv_file(f"{above}\n{headings}\n1,A,B,01/03/2026,x,y,z,w\n")) as table:
        assert ",".join(table.headings) == headings
        assert len(list(table.rows)) == 1


def test_of_several_sheets_the_only_visible_table_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Run by the information team"])
    for name, state in (("Lists", "hidden"), ("Notes", "visible")):
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        for row in (["Client ID", "Date"], ["1", "01/03/2026"]):
            sheet.append(row)
    book.save(tmp_path / "book.xlsx")
    with open_table(tmp_path / "book.xlsx") as table:
        assert (table.name, table.headings) == ("book.xlsx [Notes]", ("Client ID", "Date"))
