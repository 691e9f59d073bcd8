"""Files as they are given to `keepintouch check`: every row counts, or it is said which one and why it does not."""
from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.reference.command import keepintouch

PEOPLE = "person_id,born_on,category,supported_since\n000123,2007-01-31,former_relevant,2025-01-31\n"
NOTES = "record_id,person_id,recorded_at,occurred_at,worker_role,channel,outcome\n"


def rejected(folder: Path) -> list[list[str]]:
    """The rows of rejected.csv."""
    return list(csv.reader(io.StringIO((folder / "rejected.csv").read_text(encoding="utf-8-sig"), newline="")))[1:]


def test_of_rows_about_one_record_one_holds_and_the_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE + PEOPLE.splitlines()[1] + "\n")
    (tmp_path / "notes.csv").write_text(
        NOTES + "1,000123,2026-03-02 09:00,2026-03-01 09:00,personal_adviser,phone,completed\n"
        "1,000123,2026-03-01 09:00,2026-03-01 09:00,personal_adviser,phone,no_reply\n"
        "1,000123,2026-03-01 10:00,2026-03-01 09:00,personal_adviser,phone,completed\n")
    ran = keepintouch("check", "--people", str(tmp_path / "people.csv"), "--contacts", str(tmp_path / "notes.csv"), "--policy",
                      "standard_8_week", "--as-of", "2026-03-10", "--csv", str(tmp_path / "out"), "--html",
                      str(tmp_path / "report.html"))
    assert ran.status == 0, ran.err
    assert "1 of 1" in ran.out
    assert [each[:2] for each in rejected(tmp_path / "out")] == [["notes.csv", "3"]]
    assert "row 2" in rejected(tmp_path / "out")[0][4]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "notes.csv, 1 rows: say what another row says already (rows 4)." in page
    assert "people.csv, 1 rows: say what another row says already (rows 2)." in page


def test_ids_that_lost_their_zeros_in_one_of_two_files_are_noticed_and_get_them_back(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE.replace("000123", "123"))
    (tmp_path / "notes.csv").write_text(NOTES + "1,000123,2026-03-02 09:00,2026-03-01 09:00,personal_adviser,phone,completed\n")
    files = ("check", "--people", str(tmp_path / "people.csv"), "--contacts", str(tmp_path / "notes.csv"), "--policy",
             "standard_8_week", "--as-of", "2026-03-10")
    ran = keepintouch(*files)
    assert "0 of 1" in ran.out
    assert "with zeros in front and in another without" in " ".join(ran.out.split())
    ran = keepintouch(*files, "--width", "6")
    assert "1 of 1" in ran.out
    assert "zeros in front" not in ran.out


def test_a_folder_of_the_dataset_is_enough(tmp_path: Path) -> None:
    (tmp_path / "ssd_care_leavers.csv").write_text(
        "clea_person_id,clea_care_leaver_eligibility,clea_care_leaver_in_touch,clea_care_leaver_latest_contact,"
        "clea_care_leaver_personal_advisor\n000101,Former Relevant,YES,2026-02-20,W7\n000102,Former Relevant,PERHAPS,,W7\n")
    (tmp_path / "ssd_person.csv").write_text("pers_person_id,pers_dob\n000101,2006-05-21\n000102,2006-05-21\n")
    ran = keepintouch("check", "--ssd", str(tmp_path), "--policy", "snapshot", "--as-of", "2026-03-10", "--csv",
                      str(tmp_path / "out"))
    assert ran.status == 0, ran.err
    assert "1 of 1" in ran.out
    assert [each[:4] for each in rejected(tmp_path / "out")] == [
        ["ssd_care_leavers.csv", "3", "clea_care_leaver_in_touch", "PERHAPS"]]
