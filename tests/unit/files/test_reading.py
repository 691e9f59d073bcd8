"""What rows of exports say: each a statement, a reason why not, or left out because the mapping says so; none is lost."""
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

import keepintouch.files.mapping
from keepintouch.files.building import NOTHING, Known, known_from
from keepintouch.files.mapping import default_mapping, load_mapping
from keepintouch.files.naming import PlainNames
from keepintouch.files.reading import Reader, Rejected, Skipped, Statement, read_visits
from keepintouch.files.tables import open_table
from keepintouch.refs import RefError, Refs
from keepintouch.runtime.errors import UserError
from schemas.events import Contact, Person, Visit
from schemas.staff import Staff

from .conftest import NAMES, NOW, mapped, read

Write = Callable[..., Path]
HEADINGS = "record_id,person_ref,recorded_at,occurred_at,worker_ref,worker_role,channel,direction,outcome"
NOTES: dict[str, Any] = {
    "kind": "contacts", "columns": {"person_ref": "Client ID", "occurred_at": "Date", "channel": "How"},
    "constants": {"worker_role": "personal_adviser"}}


def one(path: Path, **options: Any) -> Any:
    (told,) = read(path, **options)
    assert isinstance(told, Statement), told
    return told.data


def why(path: Path, **options: Any) -> tuple[str, str, str]:
    (told,) = read(path, **options)
    assert isinstance(told, Rejected), told
    return told.column, told.value, told.reason


def note(write: Write, day: str = "01/03/2026", how: str = "phone", person: str = "000123", **said: Any) -> Path:
    return write(f"Client ID,Date,How\n{person},{day},{how}\n", **said)


class TestContacts:
    def test_with_the_headings_of_the_template(self, csv_file: Write) -> None:
        path = csv_file(f"{HEADINGS}\n884,000123,2026-03-04 16:20,2026-03-04 10:30,W17,personal_adviser,phone,out,completed\n")
        assert one(path) == Contact(
            record_id="contacts-884", person_ref="lancashire:000123", recorded_at=datetime(2026, 3, 4, 16, 20, tzinfo=UTC),
            occurred_at=datetime(2026, 3, 4, 10, 30, tzinfo=UTC), worker_ref="lancashire:W17", worker_role="personal_adviser",
            channel="phone", direction="out", outcome="completed")

    def test_a_workbook_says_the_same(self, workbook: Write) -> None:
        path = workbook([HEADINGS.split(","), [884, "000123", datetime(2026, 3, 4, 16, 20), datetime(2026, 3, 4, 10, 30), "W17",
                                               "Personal Adviser", "Phone", "out", "completed"]])
        assert one(path).person_ref == "lancashire:000123"
        assert one(path).record_id == "contacts-884"

    def test_a_day_without_a_time_is_noon_in_london(self, csv_file: Write) -> None:
        mapping = mapped(**NOTES | {"constants": {"worker_role": "duty", "outcome": "completed"}})
        assert one(note(csv_file, "01/08/2025"), mapping=mapping).occurred_at == datetime(2025, 8, 1, 11, tzinfo=UTC)

    def test_the_time_may_be_in_a_column_of_its_own(self, csv_file: Write, workbook: Write) -> None:
        mapping = mapped(**NOTES | {"columns": NOTES["columns"] | {"occurred_at": {"column": "Date", "time": "At"}}})
        for path in (csv_file("Client ID,Date,At,How\n1,01/03/2026,2:05 pm,text\n"),
                     workbook([["Client ID", "Date", "At", "How"], ["1", date(2026, 3, 1), time(14, 5), "text"]])):
            assert one(path, mapping=mapping).occurred_at == datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
        assert "hh:mm" in why(csv_file("Client ID,Date,At,How\n1,01/03/2026,afternoon,text\n"), mapping=mapping)[2]

    @pytest.mark.parametrize(("how", "direction", "outcome"), [
        ("text", "out", "left_message"), ("letter", "out", "left_message"), ("face_to_face", "out", "completed"),
        ("video", "out", "completed")])
    def test_what_stands_in_where_nothing_is_said(self, csv_file: Write, how: str, direction: str, outcome: str) -> None:
        (told,) = read(note(csv_file, how=how), mapped(**NOTES))
        assert isinstance(told, Statement)
        assert (told.data.direction, told.data.outcome, told.data.recorded_at) == (direction, outcome, NOW)
        assert told.stood_in == {"direction", "outcome", "recorded_at", "record_id", "worker_role"}

    def test_nothing_is_assumed_of_a_call(self, csv_file: Write) -> None:
        column, _, reason = why(note(csv_file), mapping=mapped(**NOTES))
        assert column == "outcome"
        assert "types" in reason

    def test_types_say_several_fields_at_once_and_some_are_visits(self, csv_file: Write) -> None:
        mapping = mapped(kind="contacts", columns={"person_ref": "Client ID", "occurred_at": "Date"}, types={
            "column": "How", "values": {
                "Call": {"channel": "phone", "direction": "in", "outcome": "completed"},
                "Home visit": {"as": "visit", "location": "home", "outcome": "seen", "announced": False},
                "Supervision": "skip"}}, constants={"worker_role": "duty"})
        call = one(note(csv_file, how="call"), mapping=mapping)
        assert (call.channel, call.direction, call.outcome, call.worker_role) == ("phone", "in", "completed", "duty")
        visit = one(note(csv_file, how="HOME  Visit"), mapping=mapping)
        assert isinstance(visit, Visit)
        assert (visit.location, visit.outcome, visit.announced) == ("home", "seen", False)
        assert read(note(csv_file, how="supervision"), mapping) == [Skipped(2, "How: supervision")]
        assert why(note(csv_file, how="Lunch"), mapping=mapping)[:2] == ("How", "Lunch")

    @pytest.mark.parametrize(("said", "outcome"), [
        ("Completed", "seen"), ("", "seen"), ("No reply", "no_access"), ("Refused", "refused"), ("Cancelled", "cancelled"),
        ("No access", "no_access"), ("Seen", "seen")])
    def test_a_type_that_is_a_visit_is_not_seen_where_the_outcome_says_otherwise(self, csv_file: Write, said: str,
                                                                                 outcome: str) -> None:
        mapping = mapped(kind="contacts", columns={"person_ref": "Client ID", "occurred_at": "Date", "outcome": "Result"}, types={
            "column": "How", "values": {"Call": {"channel": "phone"},
                                        "Home visit": {"as": "visit", "location": "home", "outcome": "seen"}}},
            constants={"worker_role": "duty"})
        path = csv_file(f"Client ID,Date,How,Result\n1,01/03/2026,Home visit,{said}\n")
        assert one(path, mapping=mapping).outcome == outcome
        assert why(csv_file("Client ID,Date,How,Result\n1,01/03/2026,Home visit,DNA\n"), mapping=mapping)[:2] == ("Result", "DNA")

    def test_columns_that_only_visits_have_are_read_in_rows_that_are_visits(self, csv_file: Write) -> None:
        mapping = mapped(kind="contacts", columns={"person_ref": "Client ID", "occurred_at": "Date", "seen_alone": "Alone",
                                                   "announced": "Told", "location": "Where"}, types={
            "column": "How", "values": {"Text": {"channel": "text"}, "Visit": {"as": "visit", "location": "other",
                                                                              "outcome": "seen"}}},
            codes={"location": {"Flat": "home", "Test": "skip"}}, constants={"worker_role": "duty"})
        path = csv_file("Client ID,Date,How,Where,Alone,Told\n1,01/03/2026,Visit,Flat,Y,N\n1,02/03/2026,Visit,,,\n"
                        "1,03/03/2026,Text,by phone,perhaps,x\n1,04/03/2026,Text,Test,,\n1,05/03/2026,Visit,Flat,perhaps,\n"
                        "1,06/03/2026,Visit,Test,,\n")
        visit, plain, text, test, *others = read(path, mapping)
        assert isinstance(visit, Statement)
        assert (visit.data.location, visit.data.seen_alone, visit.data.announced) == ("home", True, False)
        assert isinstance(plain, Statement)
        assert (plain.data.location, plain.data.seen_alone, plain.data.announced) == ("other", None, None)
        assert [type(each.data) for each in (text, test) if isinstance(each, Statement)] == [Contact, Contact]
        rejected, skipped = others
        assert isinstance(rejected, Rejected)
        assert (rejected.row, rejected.column, rejected.value) == (6, "Alone", "perhaps")
        assert skipped == Skipped(7, "Where: test")
        with open_table(path) as table:
            assert Reader(table, mapping, NAMES, NOW, NOTHING, lenient=False).unfed >= {"visit.record_id"}
            assert not Reader(table, mapping, NAMES, NOW, NOTHING, lenient=False).unfed & {
                "visit.location", "visit.seen_alone", "visit.announced"}

    def test_a_role_comes_from_the_staff_list_then_from_being_the_adviser_then_from_the_mapping(self, csv_file: Write) -> None:
        mapping = mapped(**NOTES | {"columns": NOTES["columns"] | {"worker_ref": "By"}, "constants": {}})

        def role(by: str, known: Known = NOTHING, **said: str) -> Any:
            path = csv_file(f"Client ID,Date,How,By\n1,01/03/2026,text,{by}\n")
            return one(path, mapping=mapping.model_copy(update={"constants": said}), known=known).worker_role

        staff = Staff(worker_ref="lancashire:M1", council="lancashire", role="manager", name="M", channels=[], active=True)
        adviser = Known({}, {"lancashire:1": "lancashire:W1"})
        assert role("M1", known_from([staff])) == "manager"
        assert role("W1", adviser) == "personal_adviser"
        assert role("W2", adviser, worker_role="duty") == "duty"
        path = csv_file("Client ID,Date,How,By\n1,01/03/2026,text,W2\n")
        assert why(path, mapping=mapping)[0] == "worker_role"

    def test_ids_keep_their_zeros_and_get_them_back(self, csv_file: Write, workbook: Write) -> None:
        wide = mapped(**NOTES | {"widths": {"person": 6}})
        assert one(note(csv_file, how="text"), mapping=mapped(**NOTES)).person_ref == "lancashire:000123"
        assert one(note(csv_file, how="text", person="123"), mapping=wide).person_ref == "lancashire:000123"
        assert one(note(csv_file, how="text", person='"=""000123"""'), mapping=wide).person_ref == "lancashire:000123"
        book = workbook([["Client ID", "Date", "How"], [123, date(2026, 3, 1), "text"]])
        assert one(book, mapping=wide).person_ref == "lancashire:000123"
        assert one(book, mapping=mapped(**NOTES)).person_ref == "lancashire:123"
        assert "digits" in why(note(csv_file, how="text", person="1234567"), mapping=wide)[2]

    @pytest.mark.parametrize("person", ["1.23E+15", "123.0", "=A1", "", "x" * 33, "a\x01b"])
    def test_what_is_no_id_is_rejected(self, csv_file: Write, person: str) -> None:
        assert why(note(csv_file, how="text", person=person), mapping=mapped(**NOTES))[1] in (person, "")

    def test_a_number_that_was_rounded(self, workbook: Write) -> None:
        for number in (2.0 ** 60, 1.5):
            book = workbook([["Client ID", "Date", "How"], [number, date(2026, 3, 1), "text"]])
            assert why(book, mapping=mapped(**NOTES))[0] == "Client ID"

    def test_ids_that_a_ref_cannot_hold_are_written_so_that_they_can_be_turned_back(self, csv_file: Write) -> None:
        for person in ("AB/12 3", "x--y", "Ünal-7"):
            ref = one(note(csv_file, how="text", person=person), mapping=mapped(**NOTES)).person_ref
            assert PlainNames.case_id(ref) == person
        with pytest.raises(RefError):
            NAMES.person("é" * 17)

    def test_with_a_key_the_refs_are_those_of_the_key(self, csv_file: Write) -> None:
        key = Refs("lancashire", b"k" * 64)
        with open_table(note(csv_file, how="text")) as table:
            reader = Reader(table, mapped(**NOTES), key, NOW, NOTHING, lenient=False)
            (told,) = [reader.told(row) for row in table.rows]
        assert isinstance(told, Statement)
        assert told.data.person_ref == key.person("000123")
        assert reader.unfed == {"contact.record_id", "contact.recorded_at", "contact.worker_ref", "contact.direction",
                                "contact.outcome"}


class TestDays:
    @pytest.mark.parametrize(("day", "words"), [
        ("04/25/2026", "other way round"), ("31/02/2026", "no such day"), ("1/3/26", "two digits"), ("46082", "serial"),
        ("soon", "dd/mm/yyyy"), ("01/03/2027", "future"), ("01/01/1900", "1900"), ("01/03/0026", "before 1900"), ("12", "dd/mm"),
        ("01/03/2026 25:00", "time of day"), ("", "missing"), ("#N/A", "missing")])
    def test_a_day_that_cannot_be_read_is_rejected_with_what_is_wrong(self, csv_file: Write, day: str, words: str) -> None:
        assert words in why(note(csv_file, day, "text"), mapping=mapped(**NOTES))[2]

    @pytest.mark.parametrize(("formats", "day"), [
        (["mm/dd/yyyy"], "03/01/2026"), (["dd/mm/yy"], "1/3/26"), (["serial"], "46082"), (["dd-mon-yyyy"], "01-Mar-2026"),
        (["d mon yyyy"], "1 March 2026"), (["yyyy-mm-dd"], "2026-03-01T12:00:00Z"), (["dd.mm.yyyy", "yyyymmdd"], "20260301")])
    def test_formats_that_the_mapping_names(self, csv_file: Write, formats: list[str], day: str) -> None:
        found = one(note(csv_file, day, "text"), mapping=mapped(**NOTES, dates=formats))
        assert found.occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)

    def test_excels_numbers_of_days(self, workbook: Write) -> None:
        book = workbook([["Client ID", "Date", "How"], ["1", 46082.5, "text"]])
        assert "serial" in why(book, mapping=mapped(**NOTES))[2]
        assert one(book, mapping=mapped(**NOTES, dates=["serial"])).occurred_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestPeople:
    HEAD = "person_ref,born_on,category"

    def test_a_person_in_full(self, csv_file: Write) -> None:
        fields = {"person_ref": "1", "recorded_at": "2026-03-01 10:00", "born_on": "2007-05-21", "category": "Former Relevant",
                  "supported_since": "2023-05-21", "in_touch": "YES", "adviser_ref": "W1", "adviser_since": "2025-09-01",
                  "accommodation_code": "D2", "accommodation_council_provided": "Y", "accommodation_hostel": "no",
                  "accommodation_since": "2025-11-03", "need": "high", "plan_reviewed_on": "1900-01-01", "looked_after": "N",
                  "cohorts": "uasc; Parent"}
        person = one(csv_file(",".join(fields) + "\n" + ",".join(fields.values()) + "\n"), kind="people")
        assert isinstance(person, Person)
        assert person.category == "former_relevant"
        assert person.plan_reviewed_on is None
        assert person.cohorts == ["uasc", "parent"]
        home = person.accommodation
        assert home is not None
        assert (home.code, home.suitable, home.council_provided, home.hostel) == ("D", False, True, False)

    def test_what_stands_in(self, csv_file: Write) -> None:
        path = csv_file(f"{self.HEAD},adviser_since,plan_reviewed_on\n1,2007-05-21,eligible,2025-09-01,2024-02-01\n")
        person = one(path, kind="people")
        assert person.supported_since == date(2024, 2, 1)
        assert (person.looked_after, person.need, person.cohorts, person.accommodation) == (True, "standard", [], None)
        known = known_from(records=[Contact(
            record_id="x", person_ref="lancashire:1", recorded_at=NOW, occurred_at=datetime(2023, 1, 5, tzinfo=UTC),
            worker_role="duty", channel="text", direction="out", outcome="no_reply")])
        assert one(path, kind="people", known=known).supported_since == date(2023, 1, 5)
        assert one(csv_file(f"{self.HEAD}\n1,2007-05-21,none\n"), kind="people").supported_since == NOW.date()

    def test_cohorts_from_columns_of_yes_and_no(self, csv_file: Write) -> None:
        columns = {"person_ref": "ID", "born_on": "DOB", "category": "Cat"}
        mapping = mapped(kind="people", columns=columns, cohorts={"uasc": "UASC"})
        path = csv_file("ID,DOB,Cat,UASC\n1,21/05/2007,relevant,Y\n2,21/05/2007,relevant,N\n3,21/05/2007,relevant,\n4,21/05/2007,"
                        "relevant,maybe\n")
        told = read(path, mapping)
        assert [each.data.cohorts for each in told if isinstance(each, Statement)] == [["uasc"], [], []]
        assert [each.row for each in told if isinstance(each, Rejected)] == [5]

    @pytest.mark.parametrize("code", ["A1", "Q", "DD", "home"])
    def test_a_home_that_is_no_code_is_rejected(self, csv_file: Write, code: str) -> None:
        assert why(csv_file(f"{self.HEAD},accommodation_code\n1,2007-05-21,none,{code}\n"), kind="people")[1] == code


class TestStaff:
    def test_a_member_of_staff(self, csv_file: Write) -> None:
        path = csv_file("worker_ref,role,name,mobile,email,manager_ref,works,absence_from,absence_until\n"
                        "W1,adviser,A,07700 900123,a@b.example,M1,mon;tue,2026-03-01,2026-03-05\n")
        member = one(path, kind="staff")
        assert (member.mobile, member.channels, member.works) == ("+447700900123", ["sms", "email"], ["mon", "tue"])
        assert member.absence.until == date(2026, 3, 5)

    @pytest.mark.parametrize(("number", "meant"), [("7700900123", "+447700900123"), ("+44 7700 900123", "+447700900123"),
                                                    ("0044 7700 900123", "+447700900123"), ("+353851234567", "+353851234567")])
    def test_mobile_numbers(self, csv_file: Write, number: str, meant: str) -> None:
        assert one(csv_file(f"worker_ref,role,name,mobile\nW1,adviser,A,{number}\n"), kind="staff").mobile == meant

    def test_what_cannot_be(self, csv_file: Write) -> None:
        head = "worker_ref,role,name,mobile,absence_from"
        assert why(csv_file(f"{head}\nW1,adviser,A,12,\n"), kind="staff")[0] == "mobile"
        assert why(csv_file(f"{head}\nW1,boss,A,,\n"), kind="staff")[1] == "boss"
        assert why(csv_file(f"{head}\nW1,adviser,,,\n"), kind="staff")[0] == "name"
        assert why(csv_file(f"{head}\nW1,adviser,A,,2026-03-01\n"), kind="staff")[0] == "absence_until"


class TestNothingIsLost:
    def test_one_bad_cell_costs_one_row(self, csv_file: Write) -> None:
        lines = [f"{n},0{n % 9 + 1}/03/2026,text" for n in range(1_000)]
        lines[500] = "500,not a day,text"
        told = read(csv_file("Client ID,Date,How\n" + "\n".join(lines) + "\n"), mapped(**NOTES))
        assert len(told) == 1_000
        assert [each.row for each in told if isinstance(each, Rejected)] == [502]

    def test_rows_that_the_mapping_leaves_out_are_counted(self, csv_file: Write) -> None:
        mapping = mapped(**NOTES, skip={"State": ["Draft", "deleted"]})
        told = read(csv_file("Client ID,Date,How,State\n1,x,text,DRAFT\n1,01/03/2026,text,ok\n"), mapping)
        assert told[0] == Skipped(2, "State: draft")
        assert isinstance(told[1], Statement)

    def test_a_file_without_a_column_of_the_mapping_is_one_line(self, csv_file: Write) -> None:
        with pytest.raises(UserError, match="has no column 'How'"):
            read(csv_file("Client ID,Date\n1,2\n"), mapped(**NOTES))
        with pytest.raises(UserError, match="no column feeds channel: 'keepintouch map' proposes"):
            read(csv_file("person_ref,occurred_at\n1,2026-03-01\n"))
        lacking = mapped(kind="contacts", columns={name: NOTES["columns"][name] for name in ("person_ref", "occurred_at")})
        with pytest.raises(UserError, match="no column feeds channel: name one in the mapping"):
            read(csv_file("Client ID,Date\n1,01/03/2026\n"), lacking)

    def test_a_column_twice_is_a_mistake_only_if_it_is_used(self, csv_file: Write) -> None:
        with pytest.raises(UserError, match="2 times"):
            read(csv_file("Client ID,Date,How,date\n1,01/03/2026,text,x\n"), mapped(**NOTES))
        assert one(csv_file("Client ID,Date,How,Note,Note\n1,01/03/2026,text,x,y\n"), mapping=mapped(**NOTES))

    def test_the_wrong_mapping_is_one_line(self, csv_file: Write) -> None:
        with pytest.raises(UserError, match="is of people"):
            list(read_visits(csv_file("a,b\n1,2\n"), default_mapping("people"), NAMES, now=NOW))


class TestMappings:
    def test_the_example_in_the_documentation_loads(self, tmp_path: Path) -> None:
        text = str(keepintouch.files.mapping.__doc__).split("```yaml\n")[1].split("```")[0]
        (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
        assert load_mapping(tmp_path / "m.yaml").feed == "casenotes"

    @pytest.mark.parametrize(("said", "words"), [
        ("kind: notes\nfeed: x\ncolumns: {}", "kind"), ("kind: contacts\nfeed: x\ncolumns: {colour: A}", "colour"),
        ("kind: contacts\nfeed: x\ncolumns: {}\ncodes: {outcome: {Yes: completed}}", "quotation"),
        ("kind: contacts\nfeed: x\ncolumns: {}\ncodes: {outcome: {a: done}}", "codes.outcome.a"),
        ("kind: contacts\nfeed: x\ncolumns: {}\nconstants: {channel: fax}", "constants.channel"),
        ("kind: contacts\nfeed: x\ncolumns: {}\ntypes: {column: T, values: {a: {as: visit, channel: text}}}", "types.a.channel"),
        ("kind: contacts\nfeed: x\ncolumns: {}\ndates: [often]", "dd/mm"), ("kind: visits\nfeed: x\ncolumns: {}\nx: 1", "x"),
        ("kind: visits\nfeed: x", "columns"), ("- a", "is no mapping"), ("a,b\n1,2\n", "is no mapping"), ("kind: [", "line"),
        ("kind: visits\nfeed: x\ncolumns: {}\ncohorts: {uasc: A}", "cohorts"),
        ("kind: visits\nfeed: x\ncolumns: {}\nconstants: {announced: maybe}", "announced"),
        ("kind: contacts\nfeed: x\ncolumns: {seen_alone: A}", "seen_alone: only visits have it"),
        ("kind: contacts\nfeed: x\ncolumns: {}\ncodes: {location: {a: nowhere}}", "codes.location.a"),
        ("kind: contacts\nfeed: x\ncolumns: {}\nconstants: {announced: yes}", "announced: is no field of contacts")])
    def test_a_mistake_is_one_line_that_says_where(self, tmp_path: Path, said: str, words: str) -> None:
        (tmp_path / "m.yaml").write_text(said, encoding="utf-8")
        with pytest.raises(UserError) as error:
            load_mapping(tmp_path / "m.yaml")
        assert words in str(error.value)
        assert "m.yaml" in str(error.value)
        assert "\n" not in str(error.value)
