"""Files of a council go into Kafka, once and night after night from a folder, and nothing with them that says who anybody is."""
from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from typer.testing import CliRunner, Result

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.cli import app
from keepintouch.publishing import sending
from keepintouch.refs import Refs, new_key
from keepintouch.runtime.clock import real_clock
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, Record, producer, read_to_end
from keepintouch.runtime.topics import EVENTS, STAFF
from schemas.events import Contact, Feed, Person, PersonErased, RecordVoided, Visit, envelope
from schemas.staff import Staff
from services.intake.imports_files import Importer
from services.intake.imports_watch import watching
from services.intake.topic import topic_id

KEY = b"k" * 64
REFS = Refs("lancashire", KEY)
STAFF_CSV = "worker_ref,role,name,mobile,team_ref\nW17,adviser,Canary Worker,07700 900123,north\nW02,manager,Canary Boss,,north\n"
PEOPLE_CSV = ("person_ref,born_on,category,adviser_ref,adviser_since,accommodation_code\n"
              "000123,2007-05-21,former_relevant,W17,2026-01-05,D1\n000124,2006-05-21,former_relevant,W17,2026-01-05,U1\n")
NOTES_YAML = """kind: contacts
feed: casenotes
dates: [dd/mm/yyyy]
widths: {person: 6}
columns:
  record_id: Note ID
  person_ref: Client ID
  occurred_at: {column: Date, time: Time}
  worker_ref: By
types:
  column: Type
  values:
    Call: {channel: phone, direction: out, outcome: completed}
    Text: {channel: text}
    Home visit: {as: visit, location: home, outcome: seen}
    Supervision: skip
"""
NOTES_CSV = ("Note ID,Client ID,Client Name,Date,Time,By,Type,Note\n"
             "1,123,Canary Child,02/02/2026,10:00,W17,Call,canary words about the child\n"
             "2,124,Canary Child,03/02/2026,,W17,Text,canary words\n"
             "3,124,Canary Child,04/02/2026,14:00,W17,Home visit,canary words\n"
             "4,124,Canary Child,05/02/2026,14:00,W17,Supervision,canary words\n"
             "5,124,Canary Child,31/02/2026,14:00,W17,Call,canary words\n")

Command = Callable[..., Result]


@pytest.fixture
def keepintouch(topics: object, kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A function that runs the command with a key, a ledger and files in this folder."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("COUNCIL_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("INTAKE_DATABASE_URL", f"sqlite:///{tmp_path / 'intake.db'}")
    monkeypatch.chdir(tmp_path)
    new_key(tmp_path / "keys", "lancashire", KEY)
    for name, text in (("staff.csv", STAFF_CSV), ("people.csv", PEOPLE_CSV), ("notes.csv", NOTES_CSV),
                       ("notes.yaml", NOTES_YAML)):
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*arguments: str, status: int = 0) -> Result:
        done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == status, (done.output, done.exception)
        return done
    return run


@pytest.fixture
def said(kafka: KafkaSettings) -> Callable[..., list[Any]]:
    """A function that returns what is on the events topic (since some offsets), every one of which the monitor would accept."""
    def read(since: Mapping[tuple[str, int], int] | None = None) -> list[Any]:
        found = []
        for record in read_to_end(kafka, EVENTS, since=since):
            accepted = accept_event(record.value, record.key, record.headers, real_clock().now(), frozenset({"lancashire"}))
            assert isinstance(accepted, Accepted), accepted
            found.append(accepted.data)
        return found
    return read


IMPORT = ("import", "--council", "lancashire")


def import_all(keepintouch: Command) -> str:
    return "".join(keepintouch(*IMPORT, *how).output for how in (
        ("--kind", "staff", "staff.csv"), ("--kind", "people", "people.csv"), ("--mapping", "notes.yaml", "notes.csv")))


def test_files_become_events_once(keepintouch: Command, said: Callable[[], list[Any]], kafka: KafkaSettings,
                                  tmp_path: Path) -> None:
    output = import_all(keepintouch)
    assert "published 3, left out 1, rejected 1" in output
    assert "\n\n" not in output, "an empty line where a bar would be"
    events = said()
    people = {each.person_ref: each for each in events if isinstance(each, Person)}
    assert people.keys() == {REFS.person("000123"), REFS.person("000124")}
    call, text = sorted((each for each in events if isinstance(each, Contact)), key=lambda each: each.record_id)
    (visit,) = (each for each in events if isinstance(each, Visit))
    assert (call.person_ref, call.worker_ref, call.worker_role) == (REFS.person("000123"), REFS.worker("W17"), "personal_adviser")
    assert (text.channel, text.outcome) == ("text", "left_message")
    assert (visit.record_id, visit.location) == ("casenotes-3", "home")
    feeds = [each for each in events if isinstance(each, Feed)]
    assert [feed.feed for feed in feeds].count("casenotes") == 4   # every partition has it
    rejected = (tmp_path / "notes.rejects.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rejected == ["file,row,column,value,reason", "notes.csv,6,Date,31/02/2026,has no such day"]

    again = import_all(keepintouch)
    assert again.count("published 0") == 3
    assert len([each for each in said() if not isinstance(each, Feed)]) == 5

    on_topics = b"".join((r.key or b"") + (r.value or b"") for r in read_to_end(kafka, EVENTS))
    ledger = (tmp_path / "intake.db").read_bytes()
    for canary in (b"Canary", b"canary", b"000123", b"000124"):
        assert canary not in on_topics
        assert canary not in ledger
        assert canary.decode() not in output + again


def test_a_staff_file_does_not_end_a_leave(keepintouch: Command, kafka: KafkaSettings) -> None:
    keepintouch(*IMPORT, "--kind", "staff", "staff.csv")
    on_leave = _staff(kafka)[REFS.worker("W17")] | {
        "absence": {"from": "2026-03-01", "until": "2026-12-24"}, "cover_ref": REFS.worker("W02")}
    with sending(kafka) as sender:
        sender.staff(Staff.model_validate_json(orjson.dumps(on_leave)))
    Path("staff.csv").write_text(STAFF_CSV.replace("north", "south"), encoding="utf-8")
    assert "published 2" in keepintouch(*IMPORT, "--kind", "staff", "staff.csv").output
    member = _staff(kafka)[REFS.worker("W17")]
    assert (member["team_ref"], member["absence"]["until"], member["cover_ref"]) == ("south", "2026-12-24", REFS.worker("W02"))
    Path("staff.csv").write_text(STAFF_CSV.splitlines()[0] + "\n" + STAFF_CSV.splitlines()[2] + "\n", encoding="utf-8")
    assert "not in this one: 1" in keepintouch(*IMPORT, "--kind", "staff", "staff.csv").output
    assert "W17" in Path("staff.gone.csv").read_text(encoding="utf-8-sig")


def test_night_after_night_from_a_folder(keepintouch: Command, said: Callable[[], list[Any]], tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    for kind in ("staff", "people"):
        (tmp_path / f"{kind}.yaml").write_text(f"kind: {kind}\nfeed: {kind}\ncolumns: {{{_columns(kind)}}}\n", encoding="utf-8")
    watch = (*IMPORT, "--watch", str(drop), "--once", "--settle", "0s", *(
        word for name in ("notes", "people", "staff") for word in ("--mapping", f"{name}.yaml")))
    (tmp_path / "notes.yaml").write_text(NOTES_YAML + "files: notes*.csv\n", encoding="utf-8")
    for name in ("notes", "people", "staff"):
        (tmp_path / f"{name}.csv").rename(drop / f"{name}.csv")
    (drop / "holiday.jpg").write_bytes(b"\xff\xd8\xff")
    (drop / "growing.part").write_bytes(b"half of it")
    output = keepintouch(*watch).output
    assert "moved to" in output
    assert sorted(each.name.split("Z-")[1] for each in (drop / "done").iterdir()) == ["notes.csv", "people.csv", "staff.csv"]
    (failed,) = (drop / "failed").iterdir()
    assert "no mapping" in (failed / "reason.txt").read_text(encoding="utf-8")
    (done,) = (drop / "done").glob("*notes.csv")
    assert (done / "notes.rejects.csv").exists()
    assert len([each for each in said() if isinstance(each, Contact | Visit)]) == 3

    broken_off = drop / "working" / "2026-03-01T020000.000000Z-notes.csv"   # a watch that was killed half way
    broken_off.mkdir()
    (broken_off / "notes.csv").write_text(NOTES_CSV.replace("3,124", "3,123"), encoding="utf-8")
    keepintouch(*watch)
    assert not broken_off.exists()
    assert [type(each) for each in said() if getattr(each, "record_id", "") == "casenotes-3"] in (
        [Visit, RecordVoided, Visit], [Visit, Visit, RecordVoided])   # the two people may be on different partitions


def test_a_file_that_is_taken_back_while_another_is_imported_ends_no_watch(
        keepintouch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop, imported = tmp_path / "drop", Importer.file
    drop.mkdir()
    for name in ("a.csv", "b.csv"):
        (drop / name).write_text(PEOPLE_CSV, encoding="utf-8")

    def meanwhile(*arguments: Any) -> Any:
        (drop / "b.csv").unlink()
        return imported(*arguments)
    monkeypatch.setattr(Importer, "file", meanwhile)
    keepintouch(*IMPORT, "--watch", str(drop), "--once", "--settle", "0s", "--kind", "people")
    assert [each.name.split("Z-")[1] for each in (drop / "done").iterdir()] == ["a.csv"]


def test_a_folder_is_watched_once_and_a_growing_file_is_never_half_read(tmp_path: Path) -> None:
    with watching(tmp_path, settle=5) as folder:
        with pytest.raises(UserError, match="already"), watching(tmp_path, settle=5):
            pass
        file = tmp_path / "notes.csv"
        file.write_text("a", encoding="utf-8")
        assert folder.whole(0) == []
        assert folder.whole(4) == []
        file.write_text("a,b", encoding="utf-8")
        assert folder.whole(5) == []
        assert folder.whole(9) == []
        assert folder.whole(10) == [file]
    (tmp_path / "done").rmdir()
    (tmp_path / "done").write_text("no folder", encoding="utf-8")
    with pytest.raises(UserError, match="done: cannot be moved or written"), watching(tmp_path, settle=5):
        pass


def test_what_cannot_be_is_one_line(keepintouch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert isinstance(done.exception, UserError), done.output
        assert "\n" not in str(done.exception)
        return str(done.exception)

    assert "--mapping" in refused(*IMPORT, "notes.csv")
    assert "either files" in refused(*IMPORT, "--kind", "people")
    assert "one file" in refused(*IMPORT, "--kind", "people", "people.csv", "people.csv", "--rejects", "r.csv")
    assert "one file" in refused(*IMPORT, "--kind", "people", "--watch", ".", "--rejects", "r.csv")
    assert "would be lost" in refused(*IMPORT, "--kind", "people", "people.csv", "--rejects", "people.csv")
    assert Path("people.csv").read_text(encoding="utf-8") == PEOPLE_CSV
    assert "folder" in refused(*IMPORT, "--format", "ssd", "--watch", ".")
    assert "widths" in refused(*IMPORT, "--mapping", "notes.yaml", "notes.csv", "--width", "6")
    assert "keys new" in refused("import", "--council", "lancashire", "--keys", "nowhere", "--kind", "people", "people.csv")
    assert "no council" in refused("import", "--council", "atlantis", "--kind", "people", "people.csv")
    assert "after today" in refused(*IMPORT, "--kind", "people", "people.csv", "--complete-through", "2099-01-01")
    assert "no day" in refused(*IMPORT, "--kind", "people", "people.csv", "--complete-through", "soon")
    assert "lies after" in refused(*IMPORT, "--kind", "people", "people.csv", "--from", "2026-03-02", "--until", "2026-03-01")
    assert "cannot be read" in refused(*IMPORT, "--kind", "people", "missing.csv")
    assert "cannot be watched" in refused(*IMPORT, "--kind", "people", "--watch", str(tmp_path / "nowhere"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert "Kafka does not answer" in refused(*IMPORT, "--kind", "people", "people.csv")


def test_a_file_cut_short_waits_for_a_persons_word(keepintouch: Command, said: Callable[[], list[Any]]) -> None:
    lines = ["record_id,person_ref,occurred_at,channel,worker_role"]
    lines += [f"{n},1,2026-02-{n % 28 + 1:02},text,duty" for n in range(100)]
    Path("texts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keepintouch(*IMPORT, "--kind", "contacts", "texts.csv")
    Path("texts.csv").write_text("\n".join(lines[:60]) + "\n", encoding="utf-8")
    assert "NOT voided" in keepintouch(*IMPORT, "--kind", "contacts", "texts.csv", status=1).output
    keepintouch(*IMPORT, "--kind", "contacts", "texts.csv", "--void-anyway")
    assert len([each for each in said() if isinstance(each, RecordVoided)]) == 41


def test_two_refs_that_are_one_person_become_one(keepintouch: Command, said: Callable[..., list[Any]],
                                                 kafka: KafkaSettings) -> None:
    import_all(keepintouch)
    old, new = REFS.person("000124"), REFS.person("000123")
    assert keepintouch("who", old).output == "000124\n"
    before = {(record.topic, record.partition): record.offset + 1 for record in read_to_end(kafka, EVENTS)}
    assert "2 records" in keepintouch("merge", old, new, "--yes").output
    later = said(before)
    assert {each.person_ref for each in later if isinstance(each, Contact | Visit)} == {new}
    assert {each.person_ref for each in said() if isinstance(each, RecordVoided | PersonErased)} == {old}
    Path("notes.csv").write_text(NOTES_CSV.replace(",124,", ",123,"), encoding="utf-8")   # and so in the case system
    assert "voided" not in keepintouch(*IMPORT, "--mapping", "notes.yaml", "notes.csv").output
    for arguments in ((old, old), (old, "dorset:x"), ("x", new), ("atlantis:a", "atlantis:b"), (REFS.person("nobody"), new)):
        done = CliRunner().invoke(app, ["merge", *arguments, "--yes"])
        assert isinstance(done.exception, UserError)


def test_snapshots_of_one_day_from_a_workbook_and_from_a_database(keepintouch: Command, said: Callable[[], list[Any]],
                                                                   tmp_path: Path) -> None:
    book, wide = openpyxl.Workbook(), ("--width", "6")   # a spreadsheet took the zeros off
    book.active.title = "List 9"
    for row in (["Child Unique ID", "Date of Birth", "Eligibility Category", "LA in Touch", "Latest Date of Contact"],
                [123, "21/05/2007", "b) Former relevant child", "a) Yes", "20/02/2026"],
                ["000124", "21/05/2006", "b) Former relevant child", "a) Yes", "#N/A"]):
        book.active.append(row)
    book.save(tmp_path / "annex_a.xlsx")
    assert "feed annex_a: 2 rows\n  published 2" in keepintouch(*IMPORT, "--format", "annex-a", "annex_a.xlsx", *wide).output
    assert {each.person_ref for each in said() if isinstance(each, Person)} == {REFS.person("000123"), REFS.person("000124")}
    assert "feed annex_a: 2 rows\n  published 0" in keepintouch(*IMPORT, "--format", "annex-a", "annex_a.xlsx", *wide).output
    book.active.delete_rows(3)
    book.save(tmp_path / "annex_a.xlsx")
    assert "not in this one: 1" in keepintouch(*IMPORT, "--format", "annex-a", "annex_a.xlsx", *wide).output
    assert "000124" in (tmp_path / "annex_a.gone.csv").read_text(encoding="utf-8-sig")
    (contact,) = (each for each in said() if isinstance(each, Contact))
    assert (contact.channel, contact.worker_ref) == ("other", None)

    with sqlite3.connect(tmp_path / "ssd.db") as database:
        database.execute("create table ssd_person (pers_person_id text, pers_dob timestamp, pers_forename text)")
        database.execute("create table ssd_care_leavers (clea_person_id text, clea_care_leaver_eligibility text, "
                         "clea_care_leaver_latest_contact date)")
        database.execute("insert into ssd_person values ('000125', '2006-05-21 00:00:00', 'Canary')")
        database.execute("insert into ssd_care_leavers values ('000125', 'Former Relevant', '2026-02-01')")
    database.close()
    url = f"sqlite:///{tmp_path / 'ssd.db'}"
    done = CliRunner().invoke(app, [*IMPORT, "--url", url])
    assert "contradict" in str(done.exception)   # people of another source than before
    keepintouch("sources", "people", "lancashire", "urn:keep-in-touch:import:lancashire:ssd")
    assert "feed ssd: 1 rows\n  published 1" in keepintouch(*IMPORT, "--url", url).output
    for wrong in ("nonsense", "sqlite:////nowhere/at/all.db", "klingon://x", "sqlite://user:word@host:port/x"):
        done = CliRunner().invoke(app, [*IMPORT, "--url", wrong])
        assert isinstance(done.exception, UserError)
        assert wrong not in str(done.exception)


def _staff(kafka: KafkaSettings) -> dict[str, Any]:
    return {(record.key or b"").decode(): orjson.loads(record.value) for record in _records(kafka, STAFF) if record.value}


def _records(kafka: KafkaSettings, topic: str) -> list[Record]:
    return list(read_to_end(kafka, topic))


def _columns(kind: str) -> str:
    head = (STAFF_CSV if kind == "staff" else PEOPLE_CSV).splitlines()[0]
    return ", ".join(f"{name}: {name}" for name in head.split(","))


def test_who_was_erased_is_not_brought_back_by_the_next_file(keepintouch: Command, said: Callable[[], list[Any]],
                                                             kafka: KafkaSettings, tmp_path: Path) -> None:
    import_all(keepintouch)
    ref = REFS.person("000124")

    def about() -> list[type]:
        return sorted((type(each) for each in said() if getattr(each, "person_ref", "") == ref), key=lambda each: each.__name__)

    before = about()
    assert topic_id(kafka) == topic_id(kafka) is not None, "by it a topic that is made anew is noticed"
    assert "forgotten where it is kept what was imported" in keepintouch("erase", ref, "--yes", "--no-wait").output
    with sqlite3.connect(tmp_path / "intake.db") as database:
        assert database.execute("SELECT count(*) FROM imported WHERE person_ref = ?", (ref,)).fetchone() == (0,)
    database.close()
    assert "of people who were erased 1" in import_all(keepintouch)
    assert about() == sorted([*before, PersonErased], key=lambda each: each.__name__)


def test_nor_is_who_was_erased_by_another_system_that_writes_to_kafka_itself(
        keepintouch: Command, said: Callable[[], list[Any]], kafka: KafkaSettings, tmp_path: Path) -> None:
    import_all(keepintouch)
    ref, at = REFS.person("000124"), real_clock().now()
    headers = [(f"ce_{name}", value.encode()) for name, value in (
        ("specversion", "1.0"), ("id", "e1"), ("source", "theirs"), ("type", "care.person-erased.v1"), ("subject", ref))]
    with contextlib.closing(producer(kafka)) as theirs:
        value = orjson.dumps({"person_ref": ref, "recorded_at": at.isoformat()})
        theirs.send(EVENTS, value, ref.encode(), headers=headers).get(30)
    for _ in range(2):   # when it is found, and when it is known
        assert import_all(keepintouch).count("of people who were erased") == 2
    with sqlite3.connect(tmp_path / "intake.db") as database:
        assert database.execute("SELECT count(*) FROM imported WHERE person_ref = ?", (ref,)).fetchone() == (0,)
        read = database.execute("SELECT sum(next_offset) FROM events_read").fetchone()[0]
    database.close()
    assert 0 < len(said()) - read <= 4, "each run reads all that was there before it: but for its own manifest, everything"

    (person, *_) = [each for each in said() if isinstance(each, Person) and each.person_ref == ref]
    with sending(kafka) as sender:
        back = person.model_copy(update={"recorded_at": real_clock().now()})
        sender.event(envelope(back, id="p2", source="theirs"))
    assert "published 1" in keepintouch(*IMPORT, "--kind", "people", "people.csv").output
