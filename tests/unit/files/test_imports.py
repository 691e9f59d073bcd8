"""What importing files again and again publishes: only what changed, voids for what vanished, and nothing by mistake."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keepintouch.files.building import NOTHING
from keepintouch.files.mapping import Mapping, Source
from keepintouch.files.reading import Rejected, Skipped, Told, read_contacts, read_people
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from schemas.events import CloudEvent, Contact, Feed, Person, RecordVoided
from services.intake import erasing
from services.intake.database import open_database
from services.intake.imports import BATCH, Import, Outcome, Voiding, Window, known
from services.intake.imports_tables import import_run, imported
from services.intake.tables import erased
from services.intake.topic import made_anew

from .conftest import NAMES, mapped

Write = Callable[..., Path]
NOTES = mapped(kind="contacts", columns={"record_id": "ID", "person_ref": "Client", "occurred_at": "Date", "channel": "How"},
               constants={"worker_role": "personal_adviser"})
NOTED = NOTES.model_copy(update={"columns": NOTES.columns | {"recorded_at": Source(column=["Recorded"])}})
START = datetime(2026, 3, 10, 2, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'intake.db'}")
    yield opened
    opened.close()


class Topic:
    """A publisher that keeps what it took, and may fail at the next flush."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.fails = False

    def event(self, event: CloudEvent) -> None:
        self.events.append(event)

    def flush(self) -> None:
        if self.fails:
            raise UserError("Kafka did not take it")


class Nights:
    """One file a night, each published on what came before."""

    def __init__(self, database: Database) -> None:
        self.database, self.topic, self.now = database, Topic(), START

    def night(self, rows: list[str], mapping: Mapping = NOTES, *, window: Window | None = None,
              void: Voiding = Voiding.UNLESS_MANY) -> Outcome:
        told = list(read_contacts(self.file(rows), mapping, NAMES, now=self.now, known=NOTHING))
        return self.of(told, window=window, void=void)

    def of(self, told: list[Told[Any]], *, window: Window | None = None, void: Voiding = Voiding.UNLESS_MANY) -> Outcome:
        run = Import(self.database, self.topic, "lancashire", "notes", self.now)
        for each in told:
            run.take(each)
        outcome = run.finish(self.now.date() - timedelta(days=1), window, void)
        self.now += timedelta(days=1)
        return outcome

    def new(self) -> list[Any]:
        """What was published since this was last asked, manifests apart."""
        found, self.topic.events = self.topic.events, []
        return [event.data for event in found if not isinstance(event.data, Feed)]

    def file(self, rows: list[str]) -> Path:
        path = Path(str(self.database.engine.url.database)).parent / "night.csv"
        path.write_text("ID,Client,Date,How,Recorded\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path


@pytest.fixture
def nights(database: Database) -> Nights:
    return Nights(database)


ROWS = [f"{n},{n % 3},0{n}/03/2026,text" for n in range(1, 9)]


class TestRecords:
    def test_the_same_file_again_changes_nothing(self, nights: Nights) -> None:
        assert nights.night(ROWS).counts == {"published": 8}
        assert len(nights.new()) == 8
        outcome = nights.night(ROWS)
        assert outcome.counts == {"unchanged": 8}
        assert nights.new() == []

    def test_a_manifest_ends_it(self, nights: Nights) -> None:
        nights.night(ROWS)
        last = nights.topic.events[-1]
        assert isinstance(last.data, Feed)
        assert (last.data.feed, last.data.complete_through, last.data.records) == ("notes", date(2026, 3, 9), 8)
        assert last.subject == "feed:lancashire/notes"

    def test_only_what_changed_is_published_and_wins(self, nights: Nights) -> None:
        nights.night(ROWS)
        first = {each.record_id: each for each in nights.new()}
        nights.night([*ROWS[:3], "4,1,04/03/2026,email", *ROWS[4:]])
        (changed,) = nights.new()
        assert changed.channel == "email"
        assert changed.recorded_at > first[changed.record_id].recorded_at

    def test_what_vanished_is_voided_and_comes_back(self, nights: Nights) -> None:
        nights.night(ROWS)
        nights.new()
        assert nights.night([*ROWS[:3], *ROWS[4:]]).counts["voided"] == 1
        (void,) = nights.new()
        assert isinstance(void, RecordVoided)
        assert (void.record_id, void.person_ref) == ("notes-4", "lancashire:1")
        assert nights.night([*ROWS[:3], *ROWS[4:]]).counts == {"unchanged": 7}
        assert nights.night(ROWS).counts == {"unchanged": 7, "published": 1}
        (back,) = nights.new()
        assert back.recorded_at > void.recorded_at

    def test_a_window_that_moves_on_voids_nothing_that_it_left_behind(self, nights: Nights) -> None:
        nights.night(ROWS)
        nights.new()
        assert nights.night(ROWS[4:]).counts == {"unchanged": 4}
        assert nights.new() == []

    def test_the_days_may_be_said(self, nights: Nights) -> None:
        nights.night(ROWS)
        assert nights.night(ROWS[:-1], window=Window(last=date(2026, 3, 31))).counts["voided"] == 1

    def test_a_file_cut_short_voids_nothing_until_somebody_says_so(self, nights: Nights) -> None:
        rows = [f"{n},1,0{n % 9 + 1}/03/2026,text" for n in range(200)]
        nights.night(rows)
        nights.new()
        outcome = nights.night(rows[:100])
        assert (outcome.held, outcome.counts["voided"]) == (100, 0)
        assert "cut short" in outcome.held_because
        assert nights.night(rows[:100], void=Voiding.ANYWAY).counts["voided"] == 100

    def test_a_file_in_doubt_is_not_said_to_be_complete(self, nights: Nights) -> None:
        rows = [f"{n},1,0{n % 9 + 1}/03/2026,text" for n in range(200)]
        assert nights.night(rows).complete_through is not None
        for doubtful in (rows[:100], [], [row.replace("03/2026", "13/2026") for row in rows]):
            outcome = nights.night(doubtful)
            assert outcome.complete_through is None
            assert outcome.incomplete_because
        assert nights.night([*rows[1:], "0,1,soon,text"]).complete_through is not None

    def test_a_quiet_feed_that_never_had_anything_is_complete(self, nights: Nights) -> None:
        assert nights.night([]).complete_through is not None

    def test_a_rejected_row_has_not_vanished(self, nights: Nights) -> None:
        nights.night(ROWS)
        nights.new()
        outcome = nights.night([*ROWS[:3], "4,1,soon,text", *ROWS[4:]])
        assert outcome.counts == {"unchanged": 7, "rejected": 1}
        assert nights.new() == []

    def test_where_it_is_not_known_which_record_a_row_is_nothing_is_voided(self, nights: Nights) -> None:
        nights.night(ROWS)
        outcome = nights.night([*ROWS[:3], ",1,soon,text", *ROWS[4:]])
        assert outcome.counts["voided"] == 0
        assert outcome.held == 1
        assert "could not be read" in outcome.held_because
        assert "line of totals" in outcome.held_because
        totals = NOTES.model_copy(update={"skip": {"ID": [""]}})
        assert nights.night([*ROWS[:3], *ROWS[4:], ",Total,,"], totals).counts == {"unchanged": 7, "skipped": 1, "voided": 1}

    def test_a_record_that_is_now_about_somebody_else_is_voided_under_the_first(self, nights: Nights) -> None:
        nights.night(ROWS)
        nights.new()
        nights.night([*ROWS[:3], "4,2,04/03/2026,text", *ROWS[4:]])
        void, moved = nights.new()
        assert (type(void), void.person_ref) == (RecordVoided, "lancashire:1")
        assert (type(moved), moved.person_ref) == (Contact, "lancashire:2")

    def test_the_same_row_twice_is_counted_and_a_contradiction_rejected(self, nights: Nights) -> None:
        outcome = nights.night([*ROWS, ROWS[0], "2,2,02/03/2026,email"])
        assert outcome.counts == {"published": 8, "repeated": 1, "rejected": 1}
        rows = [f"{n},1,01/03/2026,text" for n in range(BATCH + 1)]
        assert nights.night([*rows, rows[0], "3,1,01/03/2026,email"]).counts["repeated"] == 1   # in another batch

    def test_without_ids_rows_are_told_apart_by_person_worker_time_and_channel_and_it_is_said(self, nights: Nights) -> None:
        columns = {name: source for name, source in NOTES.columns.items() if name != "record_id"} | {
            "outcome": Source(column=["Recorded"])}
        told = NOTES.model_copy(update={"columns": columns})
        run = Import(nights.database, nights.topic, "lancashire", "notes", nights.now)
        path = nights.file([",1,01/03/2026,text,no reply", ",1,01/03/2026,text,no reply", ",1,01/03/2026,text,completed"])
        for each in read_contacts(path, told, NAMES, now=nights.now, known=NOTHING):
            run.take(each)
        assert (run.outcome.counts, run.outcome.alike) == ({"repeated": 1, "rejected": 1}, 1)
        assert "without ids of their own" in run.rejected[0].reason

    def test_broken_off_before_kafka_had_it_everything_comes_again(self, nights: Nights) -> None:
        nights.topic.fails = True
        with pytest.raises(UserError):
            nights.night(ROWS)
        nights.topic.fails = False
        nights.new()
        assert nights.night(ROWS).counts == {"published": 8}
        assert len({event.id for event in nights.topic.events}) == 9

    def test_snapshots_that_hold_only_the_latest_contact_void_nothing(self, nights: Nights) -> None:
        nights.night(ROWS)
        assert nights.night(ROWS[::2], void=Voiding.NEVER).counts == {"unchanged": 4}

    def test_rows_left_out_are_counted(self, nights: Nights) -> None:
        assert nights.of([Skipped(2, "x"), Rejected(3, "", "", "x")]).counts == {"skipped": 1, "rejected": 1}

    def test_a_topic_that_was_made_anew_gets_everything_again_as_it_was(self, nights: Nights) -> None:
        rows = [f"{row},0{n}/03/2026 10:00" for n, row in enumerate(ROWS, 1)]
        assert nights.night(rows, NOTED).counts == {"published": 8}
        first = nights.new()
        for topic_id, anew in ((None, False), ("a", False), ("a", False), ("b", True), ("b", False)):
            with nights.database.write() as connection:
                assert made_anew(connection, topic_id) is anew
        assert nights.night(rows, NOTED).counts == {"published": 8}
        assert nights.new() == first
        assert nights.night(rows, NOTED).counts == {"unchanged": 8}


class TestErased:
    """Somebody who was erased, and whom the files still have."""

    def erase(self, nights: Nights, at: datetime) -> None:
        with nights.database.write() as connection:
            erasing.erase(connection, "lancashire:7", at, nights.now)

    def test_a_file_that_still_has_them_does_not_bring_them_back(self, nights: Nights) -> None:
        old, other = "9,7,01/03/2026,text", "8,6,01/03/2026,text"
        nights.night([old, other])
        self.erase(nights, nights.now)
        dump = "\n".join(str(row) for table in (imported, import_run) for row in rows_of(nights.database, table))
        assert "lancashire:6" in dump
        assert "lancashire:7" not in dump
        nights.new()
        for _ in range(2):
            assert nights.night([old, other]).counts == {"erased": 1, "unchanged": 1}
            assert nights.new() == []
        assert nights.night([old, other, f"10,7,{nights.now:%d/%m/%Y},text"]).counts["published"] == 1

    def test_what_says_when_it_was_recorded_is_judged_by_that(self, nights: Nights) -> None:
        self.erase(nights, datetime(2026, 3, 5, 12, tzinfo=UTC))
        rows = ["1,7,01/03/2026,text,05/03/2026 12:00", "2,7,01/03/2026,text,05/03/2026 12:01"]
        assert nights.night(rows, NOTED).counts == {"erased": 1, "published": 1}
        assert [each.record_id for each in nights.new()] == ["notes-2"]

    @pytest.mark.parametrize("elsewhere", [True, False])
    def test_a_snapshot_recorded_later_brings_them_back(self, nights: Nights, csv_file: Write, elsewhere: bool) -> None:
        def people(day: str) -> Outcome:
            path = csv_file(f"person_ref,born_on,category,recorded_at\n7,2007-05-21,relevant,{day}\n")
            return nights.of(list(read_people(path, None, NAMES, now=nights.now)))

        self.erase(nights, datetime(2026, 3, 10, 12, tzinfo=UTC))
        assert people("").counts == {"erased": 1}
        assert people("2026-03-10 09:00").counts == {"erased": 1}
        if elsewhere:
            with nights.database.write() as connection:
                erasing.known_again(connection, "lancashire:7", datetime(2026, 3, 11, tzinfo=UTC))
        else:
            assert people("2026-03-11 09:00").counts == {"published": 1}
        assert people("").counts["published"] == 1
        assert nights.night(["1,7,01/03/2026,text"]).counts == {"erased": 1}, "what was before the erasure stays away"

    def test_who_was_erased_is_remembered_as_long_as_a_file_has_them_and_the_topic_keeps_anything(self, nights: Nights) -> None:
        def remembered(after: timedelta) -> bool:
            with nights.database.write() as connection:
                erasing.forget(connection, START + after)
            return bool(rows_of(nights.database, erased))

        self.erase(nights, START)
        nights.now = START + timedelta(days=300)
        nights.night(["9,7,01/03/2026,text"])
        assert remembered(timedelta(days=600))
        assert not remembered(timedelta(days=701))


def rows_of(database: Database, table: sa.Table) -> list[Any]:
    """What is in a table."""
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


class TestPeople:
    HEAD = "person_ref,born_on,category,adviser_ref"

    def night(self, nights: Nights, csv_file: Write, *rows: str) -> Outcome:
        path = csv_file("\n".join([self.HEAD, *rows]) + "\n")
        return nights.of(list(read_people(path, None, NAMES, now=nights.now)))

    def test_published_when_changed_and_every_ninety_days(self, nights: Nights, csv_file: Write) -> None:
        row = "1,2007-05-21,relevant,W1"
        assert self.night(nights, csv_file, row).counts == {"published": 1}
        assert self.night(nights, csv_file, row).counts == {"unchanged": 1}
        nights.now = START + timedelta(days=90)
        assert self.night(nights, csv_file, row).counts == {"published": 1}

    def test_the_first_day_known_stays(self, nights: Nights, csv_file: Write) -> None:
        self.night(nights, csv_file, "1,2007-05-21,relevant,W1")
        (first,) = nights.new()
        self.night(nights, csv_file, "1,2007-05-21,relevant,W2")
        (second,) = nights.new()
        assert isinstance(second, Person)
        assert (second.adviser_ref, second.supported_since) == ("lancashire:W2", first.supported_since)

    def test_who_vanishes_is_listed_and_not_voided(self, nights: Nights, csv_file: Write) -> None:
        one, two = "1,2007-05-21,relevant,W1", "2,2007-05-21,relevant,W1"
        self.night(nights, csv_file, one, two)
        nights.new()
        outcome = self.night(nights, csv_file, one)
        assert outcome.gone == ["lancashire:2"]
        assert nights.new() == []
        assert self.night(nights, csv_file, one).gone == []
        assert self.night(nights, csv_file, one, two).counts == {"unchanged": 1, "published": 1}

    def test_who_was_rejected_has_not_vanished(self, nights: Nights, csv_file: Write) -> None:
        self.night(nights, csv_file, "1,2007-05-21,relevant,W1", "2,2007-05-21,relevant,W1")
        assert self.night(nights, csv_file, "1,2007-05-21,relevant,W1", "2,soon,relevant,W1").gone == []

    def test_two_sources_of_people_would_contradict_one_another(self, nights: Nights, csv_file: Write) -> None:
        self.night(nights, csv_file, "1,2007-05-21,relevant,W1")
        other = Import(nights.database, nights.topic, "lancashire", "other", nights.now)
        for told in read_people(csv_file(f"{self.HEAD}\n1,2007-05-21,relevant,W1\n"), None, NAMES, now=nights.now):
            other.take(told)
        with pytest.raises(UserError, match="contradict"):
            other.finish(None)

    def test_what_later_files_are_helped_by(self, nights: Nights, csv_file: Write) -> None:
        self.night(nights, csv_file, "1,2007-05-21,relevant,W1")
        nights.night(["9,1,01/03/2026,text"])
        found = known(nights.database, "lancashire", [])
        assert found.advisers == {"lancashire:1": "lancashire:W1"}
        assert found.first_days == {"lancashire:1": date(2026, 3, 1)}
