"""Ofsted's Annex A and the Standard Safeguarding Dataset, as they really come: prefixes, spellings, blanks, 1900-01-01, #N/A."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from keepintouch.files.building import NOTHING, Known, known_from
from keepintouch.files.formats import Part, annex_a, ssd_folder
from keepintouch.files.reading import Reader, Rejected, Skipped, Statement, Told
from keepintouch.runtime.errors import UserError
from schemas.events import Contact, Person, Visit
from schemas.staff import Staff

from .conftest import NAMES, NOW

Write = Callable[..., Path]
NINE = ["Child Unique ID", "Gender", "Ethnicity", "Date of Birth", "Age",
        "Unaccompanied Asylum Seeking Child (UASC), or formerly UASC if 18 or over (Y/N)", "Does the Child have a Disability",
        "Allocated Team", "Allocated Worker", "Allocated Personal Advisor", "Eligibility Category",
        "Latest Pathway Plan Review Date", "LA in Touch", "Latest Date of Contact", "Type of Accommodation",
        "Suitability of Accommodation", "Activity Status"]


def nine(child: Any = 101, **said: Any) -> list[Any]:
    usual = {"Child Unique ID": child, "Gender": "a) Male", "Ethnicity": "a) WBRI", "Date of Birth": date(2007, 5, 21),
             "Eligibility Category": "b) Former relevant child", "LA in Touch": "a) Yes",
             "Does the Child have a Disability": "b) No", "Allocated Personal Advisor": "Sam Adviser",
             "Allocated Team": "Care Leavers Team",
             "Latest Date of Contact": date(2026, 2, 20), "Latest Pathway Plan Review Date": date(2025, 12, 1),
             "Type of Accommodation": "U: Independent living", "Suitability of Accommodation": "a) Suitable"}
    return [(usual | said).get(heading, "") for heading in NINE]


def told(parts: Sequence[Part], known: Known = NOTHING) -> dict[str, list[Told[Any]]]:
    found = {}
    for part in parts:
        with part.open() as table:
            reader = Reader(table, part.mapping, NAMES, NOW, known, lenient=part.lenient)
            found[part.mapping.feed] = [reader.told(row) for row in table.rows]
    return found


def data(each: Told[Any]) -> Any:
    assert isinstance(each, Statement), each
    return each.data


class TestAnnexA:
    def book(self, workbook: Write, rows: list[list[Any]], **lists: list[list[Any]]) -> dict[str, list[Told[Any]]]:
        return told(annex_a(workbook({"List 1": [["x"]], **lists, "List 9": [NINE, *rows]})))

    def person(self, workbook: Write, **said: Any) -> Person:
        (found,) = self.book(workbook, [nine(**said)])["annex_a"]
        person = data(found)
        assert isinstance(person, Person)
        return person

    def test_a_row_of_list_9(self, workbook: Write) -> None:
        found = self.book(workbook, [nine()])
        person, contact = data(found["annex_a"][0]), data(found["annex_a_contacts"][0])
        assert isinstance(contact, Contact)
        assert (person.person_ref, person.category, person.in_touch) == ("lancashire:101", "former_relevant", "YES")
        assert (person.accommodation.code, person.accommodation.suitable) == ("U", True)
        assert (person.plan_reviewed_on, person.team_ref, person.looked_after) == (date(2025, 12, 1), "Care Leavers Team", False)
        assert (contact.channel, contact.worker_ref, contact.outcome) == ("other", None, "completed")
        assert contact.occurred_at == datetime.fromisoformat("2026-02-20T12:00:00Z")

    @pytest.mark.parametrize(("said", "meant"), [
        ("a) Yes", "YES"), ("1 - Yes, resident in the UK", "YES"), ("Y", "YES"), ("b) No", "NO"),
        ("02 - No, resident in the UK", "NO"), ("c) Died", "DIED"), ("d) Refu", "REFU"), ("e) NREQ", "NREQ"), ("f) Rhom", "RHOM"),
        ("08 - Young Person Refuses Contact", "REFU"), ("Not Recorded", None), ("", None), ("#N/A", None)])
    def test_spellings_of_in_touch(self, workbook: Write, said: str, meant: str | None) -> None:
        assert self.person(workbook, **{"LA in Touch": said}).in_touch == meant

    @pytest.mark.parametrize(("said", "meant"), [
        ("a) Relevant child", "relevant"), ("FR", "former_relevant"), ("Care Leaver - PA to 25", "former_relevant"),
        ("c) Qualifying care leaver", "qualifying"), ("d) Eligible child", "eligible"), ("Other - under 16", "none")])
    def test_spellings_of_the_category(self, workbook: Write, said: str, meant: str) -> None:
        assert self.person(workbook, **{"Eligibility Category": said}).category == meant

    @pytest.mark.parametrize(("said", "letter"), [
        ("B: Parents/relatives", "B"), ("(D) Semi-Independent, Transitional Accommodation", "D"), ("Z - Staying Put", "Z"),
        ("With former foster carers [Z]", "Z"), ("X2", "X"), ("K Ordinary lodgings", "K"), ("NFA/HOMELESS", "S"),
        ("Own home with parents or relatives", "B"), ("U3 - Independent living", "U"), ("Foyers and similar", "T"),
        ("Residence not known", "R")])
    def test_spellings_of_the_home(self, workbook: Write, said: str, letter: str) -> None:
        home = self.person(workbook, **{"Type of Accommodation": said}).accommodation
        assert home is not None
        assert home.code == letter

    @pytest.mark.parametrize(("said", "meant"), [("a) Suitable", True), ("b) Unsuitable", False), ("2 - Unsuitable", False),
                                                  ("0", None), ("-", None)])
    def test_spellings_of_suitability(self, workbook: Write, said: str, meant: bool | None) -> None:
        home = self.person(workbook, **{"Suitability of Accommodation": said}).accommodation
        assert home is not None
        assert home.suitable is meant

    def test_cohorts(self, workbook: Write) -> None:
        person = self.person(workbook, **{NINE[5]: "a) Yes", "Does the Child have a Disability": "AUTISM"})
        assert person.cohorts == ["uasc", "disabled"]

    def test_what_cannot_be_read_costs_its_row_with_a_reason(self, workbook: Write) -> None:
        found = self.book(workbook, [nine(1), nine(2, **{"LA in Touch": "Code 'Q' is not mapped"}), nine(3)])["annex_a"]
        assert [type(each) for each in found] == [Statement, Rejected, Statement]

    @pytest.mark.parametrize("eight", [[], [["Nobody to list"]], [["Child Unique ID", "Date of Last Social Work Visit"]]])
    def test_a_list_of_nobody_is_no_error(self, workbook: Write, eight: list[list[Any]]) -> None:
        found = self.book(workbook, [nine()], **{"List 8": eight, "List 6": []})
        assert found["annex_a_visits"] == found["annex_a_seen"] == []
        assert len(found["annex_a"]) == 1

    @pytest.mark.parametrize("day", ["", "#N/A", date(1900, 1, 1), "01/01/1900", "No Contact Recorded"])
    def test_no_day_of_contact_is_no_contact_and_counted(self, workbook: Write, day: Any) -> None:
        found = self.book(workbook, [nine(**{"Latest Date of Contact": day})])
        assert isinstance(found["annex_a"][0], Statement)
        assert found["annex_a_contacts"] == [Skipped(2, "[No Contact]: yes")]

    def test_a_contact_on_what_is_no_day_is_rejected(self, workbook: Write) -> None:
        (rejected,) = self.book(workbook, [nine(**{"Latest Date of Contact": "31/02/2026"})])["annex_a_contacts"]
        assert isinstance(rejected, Rejected)

    def test_the_other_lists_say_who_is_looked_after_and_when_a_social_worker_saw_whom(self, workbook: Write) -> None:
        eight: list[list[Any]] = [["Child Unique ID", "Date of Last Social Work Visit", "Date Ceased to be Looked After",
                  "Start Date of Most Recent Placement"],
                 [101, date(2026, 2, 1), "", date(2025, 3, 1)], [999, date(2026, 2, 1), "", date(2025, 3, 1)],
                 [102, "", date(2025, 1, 1), date(2024, 3, 1)]]
        six: list[list[Any]] = [["Child Unique ID", "Date Child Was Last Seen"], [102, date(2026, 1, 5)]]
        found = self.book(workbook, [nine(101, **{"Eligibility Category": "d) Eligible child"}), nine(102)],
                          **{"List 8": eight, "List 6": six})
        eligible, left = map(data, found["annex_a"])
        assert (eligible.looked_after, eligible.accommodation.since) == (True, date(2025, 3, 1))
        assert (left.looked_after, left.accommodation.since) == (False, None)
        (visit,) = (data(each) for each in found["annex_a_visits"] if isinstance(each, Statement))
        assert isinstance(visit, Visit)
        assert (visit.person_ref, visit.worker_role, visit.location) == ("lancashire:101", "social_worker", "other")
        assert {each.reason for each in found["annex_a_visits"] if isinstance(each, Skipped)} == {
            "[In List 9]: no", "[No Contact]: yes"}
        (seen,) = found["annex_a_seen"]
        assert data(seen).person_ref == "lancashire:102"

    def test_an_adviser_by_name_is_the_one_in_the_staff_list(self, workbook: Write) -> None:
        staff = Staff(worker_ref="lancashire:W9", council="lancashire", role="adviser", name="Sam  Adviser", channels=[],
                      active=True)
        book = workbook({"List 9": [NINE, nine()]})
        assert data(told(annex_a(book), known_from([staff]))["annex_a"][0]).adviser_ref == "lancashire:W9"

    def test_sheets_by_other_names_and_headings_in_other_words(self, workbook: Write) -> None:
        book = workbook({"Cover": [["x"]], "Annex A - List 9 (Care leavers)": [
            ["Child ID", "Child's date of birth", "Eligibility", "Is the LA in touch?"],
            ["000101", "21/05/2007", "Relevant", "yes"]]})
        found = told(annex_a(book))
        assert data(found["annex_a"][0]).person_ref == "lancashire:000101"
        assert found["annex_a_contacts"] == [Skipped(2, "[No Contact]: yes")]

    def test_no_annex_a_is_one_line(self, workbook: Write, csv_file: Write) -> None:
        for path in (workbook([["a", "b"], ["1", "2"]]), csv_file("a,b\n1,2\n")):
            with pytest.raises(UserError, match="List 9"):
                annex_a(path)


class TestSsd:
    def folder(self, tmp_path: Path, **tables: str) -> Path:
        for name, text in tables.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        return tmp_path

    def whole(self, tmp_path: Path) -> Path:
        return self.folder(
            tmp_path,
            ssd_care_leavers="clea_person_id,clea_care_leaver_eligibility,clea_care_leaver_in_touch,clea_care_leaver_latest_contact,"
            "clea_care_leaver_accommodation,clea_care_leaver_accom_suitable,clea_pathway_plan_review_date,"
            "clea_care_leaver_personal_advisor,clea_care_leaver_allocated_team,clea_care_leaver_worker_id\n"
            "000101,Former Relevant,YES,2026-02-20,U,1,1900-01-01,,T1,W7\n"
            "000102,Relevant,NO,1900-01-01,R,2,2025-11-01 00:00:00,W8,T1,W7\n",
            ssd_person="pers_person_id,pers_forename,pers_dob\n000101,Canary,2006-05-21\n000102,Canary,2008-05-21\n"
            "000999,Canary,2015-01-01\n",
            ssd_involvements="invo_involvements_id,invo_person_id,invo_professional_id,invo_involvement_start_date,"
            "invo_involvement_end_date\n1,000101,W7,2024-09-01,1900-01-01\n2,000101,W7,2020-01-01,2021-01-01\n"
            "3,000102,W7,2025-01-01,\n",
            ssd_cla_visits="clav_cla_visit_id,clav_person_id,clav_cla_visit_date,clav_cla_visit_seen,clav_cla_visit_seen_alone\n"
            "v1,000102,2026-01-10,Y,N\nv2,000102,2026-01-20,N,\nv3,000999,2026-01-20,Y,Y\nv4,000102,,Y,Y\n")

    def test_care_leavers_with_what_the_other_tables_say(self, tmp_path: Path) -> None:
        first, second = map(data, told(ssd_folder(self.whole(tmp_path)))["ssd"])
        assert (first.born_on, first.adviser_ref, first.adviser_since) == (date(2006, 5, 21), "lancashire:W7", date(2024, 9, 1))
        assert (first.plan_reviewed_on, first.accommodation.suitable, first.team_ref) == (None, True, "T1")
        assert (second.adviser_ref, second.adviser_since, second.accommodation.suitable) == ("lancashire:W8", None, False)

    def test_visits_of_care_leavers_only_and_contacts_where_there_is_a_day(self, tmp_path: Path) -> None:
        found = told(ssd_folder(self.whole(tmp_path)))
        visits = [data(each) for each in found["ssd_visits"] if isinstance(each, Statement)]
        assert [(each.record_id, each.outcome, each.seen_alone) for each in visits] == [
            ("ssd_visits-v1", "seen", False), ("ssd_visits-v2", "no_access", None)]
        assert len(found["ssd_visits"]) == 4
        assert [type(each) for each in found["ssd_contacts"]] == [Statement, Skipped]

    def test_what_is_missing_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no folder"):
            ssd_folder(tmp_path / "nowhere")
        with pytest.raises(UserError, match="ssd_care_leavers"):
            told(ssd_folder(self.folder(tmp_path, ssd_person="pers_person_id,pers_dob\n1,2006-05-21\n")))

    def test_who_the_workers_are_is_looked_up_by_id_staff_id_or_name(self, tmp_path: Path) -> None:
        folder = self.folder(
            tmp_path, ssd_care_leavers="clea_person_id,clea_care_leaver_eligibility,clea_care_leaver_personal_advisor,"
            "clea_care_leaver_worker_id\n1,Relevant,Sam Adviser,S9\n2,Relevant,P8,S9\n3,Relevant,,P7\n4,Relevant,Jo Twice,\n",
            ssd_person="pers_person_id,pers_dob\n" + "".join(f"{each},2008-05-21\n" for each in range(1, 5)),
            ssd_professionals="prof_professional_id,prof_staff_id,prof_professional_name,prof_professional_job_title,"
            "prof_professional_department\nP7,S7,Sam  ADVISER,Personal Adviser,Leaving Care\nP8,S8,Max,Team Manager,T2\n"
            "P9,S9,Wyn,Senior Social Worker,T2\nP1,S1,Jo Twice,,\nP2,S2,Jo Twice,,\n",
            ssd_department="dept_team_id,dept_team_name\nT1,Leaving Care\nT2,Other\n")
        found = told(ssd_folder(folder))
        assert [data(each).adviser_ref for each in found["ssd"]] == [
            "lancashire:P7", "lancashire:P8", "lancashire:P7", NAMES.worker("Jo Twice")]
        staff = [(each.data.worker_ref, each.data.role, each.data.name, each.data.team_ref) for each in found["ssd_staff"]
                 if isinstance(each, Statement)]
        assert staff == [("lancashire:P7", "adviser", "Sam ADVISER", "T1"), ("lancashire:P8", "manager", "Max", "T2")]
