"""What a file says becomes events: only what is new or has changed, each once, and what has vanished is voided.

Order of writes: events acknowledged by Kafka, then the ledger. A run that breaks off anywhere is simply run again; what it had
written already comes a second time with the same content, which changes nothing.

- A record that another row of the same file repeats is counted; one that it contradicts is rejected.
- A record that is now about somebody else is voided under the first person, for a register belongs to one person.
- A change that its source does not date later than before is dated by the import, so that it wins.
- A person is published again after 90 days, changed or not, so that the events topic always knows them.
- What an earlier run had and this one has not, within the days that the file covers, is voided; a person is only listed. Not
  where a row could not be read so far that it is known which record it was, and not where so much is gone that the file is more
  likely cut short: that waits for a person's word.
- What is old of somebody who was erased (`erasing`) is left out, and counted.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.calendar import london_day
from keepintouch.files.building import Known, known_from
from keepintouch.files.reading import Rejected, Skipped, Statement, Told
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from schemas.events import CloudEvent, Contact, EventData, Feed, Person, RecordVoided, Visit, envelope
from schemas.staff import Staff
from services.intake import erasing
from services.intake.imports_rows import chunks, held_of, remember
from services.intake.imports_tables import import_run, imported
from services.intake.ledger import may_send_people, note_feed
from services.intake.topic import UNKNOWN

AGAIN_AFTER = timedelta(days=90)
"""The events topic keeps 400 days: whoever is published this often is always on it."""
FEW_GONE = 20
"""So many records may vanish from any file,"""
SHARE_GONE = 0.1
"""or this share of what its days had."""
BATCH = 5_000
"""Rows that are published and remembered together: as many as are in memory at a time."""

_EVENTS = uuid5(NAMESPACE_URL, "urn:keep-in-touch:import")
_CONTENT = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_KINDS: dict[type, str] = {Person: "person", Contact: "contact", Visit: "visit"}

Item = Person | Contact | Visit


class Publisher(Protocol):
    """Where events go; `keepintouch.publishing.Sender` is one."""

    def event(self, event: CloudEvent) -> None:
        """Take an event."""
        ...

    def flush(self) -> None:
        """Return once all are acknowledged. Raises UserError if any is not."""
        ...


class Voiding(Enum):
    """What becomes of records that an earlier file had and this one has not."""

    UNLESS_MANY = "they are voided, unless so many are gone that the file may be cut short"
    ANYWAY = "they are voided, however many: somebody has said so"
    NEVER = "nothing: each file has the latest record only"


@dataclass(frozen=True, slots=True)
class Window:
    """The days a file covers; None: from its first, to its last."""

    first: date | None = None
    last: date | None = None


@dataclass(slots=True)
class Outcome:
    """What became of a file."""

    counts: Counter[str] = field(default_factory=Counter)
    """Rows by `published`, `unchanged`, `repeated`, `rejected`, `skipped`, `erased` (of people who were); records `voided`."""
    alike: int = 0
    """Of those repeated, rows without an id of their own that agree with another in all by which they are told apart."""
    gone: list[str] = field(default_factory=list)
    """Refs of people who were in an earlier file and are not in this one."""
    held: int = 0
    """Records that have vanished and were not voided."""
    held_because: str = ""
    complete_through: date | None = None
    """What the manifest said; None: there was none."""
    incomplete_because: str = ""
    """Why there was none, if one was wanted."""


class Import:
    """One run of one file of people, contacts or visits. Not for staff, who have a topic of their own."""

    def __init__(self, database: Database, publisher: Publisher, council: str, feed: str, now: datetime) -> None:
        """Note that a run begins."""
        self.outcome = Outcome()
        self.rejected: list[Rejected] = []
        """Rows that say what cannot stand beside another row of the same file; filled as rows are taken."""
        self._database, self._publisher = database, publisher
        self._council, self._feed, self._now = council, feed, now
        self._source = source_of(council, feed)
        self._days: list[date] = []
        self._unknown = 0
        self._statements = 0
        self._waiting: dict[str, Statement[Item]] = {}
        self._seen: list[str] = []
        self._mine = sa.and_(imported.c.council == council, imported.c.feed == feed)
        with database.write() as connection:
            begun = connection.execute(sa.insert(import_run).values(council=council, feed=feed, started_at=now))
            key = begun.inserted_primary_key
        assert key is not None
        self._run: int = key[0]

    def take(self, told: Told[Item]) -> None:
        """Take what one row says."""
        match told:
            case Skipped():
                self.outcome.counts["skipped"] += 1
            case Rejected():
                self.reject(told)
            case Statement():
                item = item_of(told.data)
                if (earlier := self._waiting.get(item)) is not None:
                    self._repeated(told, content_of(earlier.data, earlier.stood_in))
                else:
                    self._waiting[item] = told
                if len(self._waiting) >= BATCH:
                    self._settle()

    def reject(self, rejected: Rejected) -> None:
        """Note that a row was rejected: what it was about has not vanished."""
        self.outcome.counts["rejected"] += 1
        if rejected.record_id is None:
            self._unknown += 1
        else:
            self._seen.append(rejected.record_id)
            if len(self._seen) >= BATCH:
                self._mark_seen()

    def finish(self, complete_through: date | None, window: Window | None = None,
               void: Voiding = Voiding.UNLESS_MANY) -> Outcome:
        """Void what has vanished and publish the manifest, if it is said through which day the file is complete and it may be.

        `window`: the days the file covers; None: from its first to its last record.
        """
        self._settle()
        self._mark_seen()
        self._vanished(window or Window(), void)
        if complete_through is not None:
            self.outcome.incomplete_because = self._doubt()
            if not self.outcome.incomplete_because:
                self._manifest(complete_through)
        with self._database.write() as connection:
            connection.execute(sa.update(import_run).where(import_run.c.run == self._run).values(
                finished_at=self._now, counts=dict(self.outcome.counts)))
        return self.outcome

    def _settle(self) -> None:
        """Publish what is new or changed of what is waiting, and remember it."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        with self._database.write() as connection:
            if any(isinstance(told.data, Person) for told in waiting.values()) and not may_send_people(
                    connection, self._council, self._source, self._now):
                raise UserError(f"the people of {self._council} come from another source than {self._source}: two would "
                                "contradict one another. keepintouch sources people says from where they come")
            held = held_of(connection, self._council, self._feed, list(waiting))
            erased = erasing.among(connection, {told.data.person_ref for told in waiting.values()}, self._now)
        rows, same = [], []
        for item, told in waiting.items():
            if (gone := erased.get(told.data.person_ref)) is not None and _is_forgotten(told, gone):
                self.outcome.counts["erased"] += 1
                continue
            before = held.get(item)
            data = _as_before(told, before)
            content = content_of(data, told.stood_in)
            if before is not None and before.run == self._run:
                self._repeated(told, before.content)
                continue
            if (day := _day(data)) is not None and not (self._days and self._days[0] <= day <= self._days[1]):
                self._days = [min([*self._days, day]), max([*self._days, day])]
            self._statements += 1
            if before is not None and before.content == content and not before.gone and not self._is_old(data, before):
                self.outcome.counts["unchanged"] += 1
                same.append(item)
                continue
            rows.append(self._published(item, data, content, day, before))
            self.outcome.counts["published"] += 1
        self._publisher.flush()
        with self._database.write() as connection:
            remember(connection, rows, {"council": self._council, "feed": self._feed, "published_at": self._now,
                                        "run": self._run, "gone": False})
            self._mark(connection, same)
            for row in rows:
                if row["kind"] == "person" and row["item"] in erased:
                    erasing.known_again(connection, row["item"], row["recorded_at"])

    def _published(self, item: str, data: Item, content: bytes, day: date | None, before: Any) -> dict[str, Any]:
        if before is not None and before.person_ref != data.person_ref:
            self._void(item, before)
        recorded_at = data.recorded_at
        if before is not None and before.content != UNKNOWN and recorded_at <= before.recorded_at:
            recorded_at = self._later_than(before)
            data = data.model_copy(update={"recorded_at": recorded_at})
        self._publish(data, item, content)
        return {"item": item, "person_ref": data.person_ref, "kind": _KINDS[type(data)], "content": content, "day": day,
                "since": data.supported_since if isinstance(data, Person) else None,
                "adviser_ref": data.adviser_ref if isinstance(data, Person) else None, "recorded_at": recorded_at}

    def _is_old(self, data: Item, before: Any) -> bool:
        return isinstance(data, Person) and self._now - before.published_at >= AGAIN_AFTER

    def _repeated(self, told: Statement[Item], content: bytes) -> None:
        if content_of(told.data, told.stood_in) == content:
            self.outcome.counts["repeated"] += 1
            self.outcome.alike += "record_id" in told.stood_in
            return
        what = ("person" if isinstance(told.data, Person) else "record id" if "record_id" not in told.stood_in else
                "person, worker, time and channel (without ids of their own, rows are told apart by these)")
        rejected = Rejected(told.row, "", "", f"another row of this file has the same {what} and says something else",
                            item_of(told.data))
        self.rejected.append(rejected)
        self.reject(rejected)

    def _vanished(self, window: Window, void: Voiding) -> None:
        first = window.first or (self._days[0] if self._days else None)
        last = window.last or (self._days[-1] if self._days else None)
        mine = sa.and_(self._mine, sa.not_(imported.c.gone))
        with self._database.read() as connection:
            people = connection.execute(sa.select(imported).where(
                mine, imported.c.run < self._run, imported.c.kind == "person").order_by(imported.c.item)).all()
            within = sa.and_(mine, imported.c.kind != "person",
                             imported.c.day.between(first, last) if first and last else sa.false())
            records = connection.execute(sa.select(imported).where(within, imported.c.run < self._run)).all()
            most = max(FEW_GONE, SHARE_GONE * (connection.scalar(sa.select(sa.func.count()).where(within)) or 0))
        self.outcome.gone = [row.item for row in people] if self._statements else []
        if void is Voiding.NEVER:
            records = []
        elif records and self._unknown and void is Voiding.UNLESS_MANY:
            self.outcome.held_because = (f"{self._unknown} rows could not be read so far that it is known which record they are "
                                         "(what is none, such as a line of totals, is left out by `skip` in the mapping)")
        elif len(records) > most and void is Voiding.UNLESS_MANY:
            self.outcome.held_because = "that is so many that the file is more likely cut short"
        if self.outcome.held_because:
            self.outcome.held, records = len(records), []
        for row in records:
            self._void(row.item, row)
            self.outcome.counts["voided"] += 1
        self._publisher.flush()
        with self._database.write() as connection:
            for row in records:
                connection.execute(sa.update(imported).where(self._mine, imported.c.item == row.item).values(
                    gone=True, recorded_at=self._later_than(row)))
            for chunk in chunks(self.outcome.gone):
                connection.execute(sa.update(imported).where(self._mine, imported.c.item.in_(chunk)).values(gone=True))

    def _doubt(self) -> str:
        """Why the file cannot be said to be complete: an alert would open on the strength of it. Empty: nothing is in doubt."""
        rejected = self.outcome.counts["rejected"]
        if rejected > max(FEW_GONE, SHARE_GONE * (rejected + self._statements)):
            return f"{rejected:,} rows were rejected"
        if self.outcome.held and not self._unknown:
            return "so much has vanished from the file"
        if not self._statements and self._run_before():
            return "nothing is in the file, where there was something before"
        return ""

    def _run_before(self) -> bool:
        with self._database.read() as connection:
            return connection.scalar(sa.select(imported.c.item).where(self._mine, sa.not_(imported.c.gone)).limit(1)) is not None

    def _manifest(self, complete_through: date) -> None:
        self.outcome.complete_through = complete_through
        self._publish(Feed(council=self._council, feed=self._feed, complete_through=complete_through, records=self._statements,
                           recorded_at=self._now), f"manifest {complete_through}")
        self._publisher.flush()
        with self._database.write() as connection:
            note_feed(connection, self._council, self._feed, complete_through, self._statements, self._now)

    def _void(self, record_id: str, before: Any) -> None:
        self._publish(RecordVoided(record_id=record_id, person_ref=before.person_ref, recorded_at=self._later_than(before)),
                      f"void {record_id}")

    def _later_than(self, before: Any) -> datetime:
        at: datetime = max(self._now, before.recorded_at + timedelta(microseconds=1))
        return at

    def _publish(self, data: EventData, what: str, content: bytes = b"") -> None:
        """Publish under an id that is the same for the same statement: what it is of, what it says, and when it was recorded."""
        told = f"{self._source}|{what}|{content.hex()}|{data.recorded_at.astimezone(UTC).isoformat()}"
        self._publisher.event(envelope(data, id=_id_of(told), source=self._source))

    def _mark_seen(self) -> None:
        with self._database.write() as connection:
            self._mark(connection, self._seen)
        self._seen.clear()

    def _mark(self, connection: Connection, items: Sequence[str]) -> None:
        """Note that this run had these."""
        for chunk in chunks(items):
            connection.execute(sa.update(imported).where(self._mine, imported.c.item.in_(chunk)).values(run=self._run))


def source_of(council: str, feed: str) -> str:
    """The `source` of the events of a feed of files."""
    return f"urn:keep-in-touch:import:{council}:{feed}"


def item_of(data: Item) -> str:
    """What the ledger knows a statement by."""
    return data.person_ref if isinstance(data, Person) else data.record_id


def content_of(data: Item, stood_in: Collection[str]) -> bytes:
    """A hash of what a statement says, without when it was recorded where the file does not say it."""
    said = vars(data)
    if "recorded_at" in stood_in:
        said = {name: value for name, value in said.items() if name != "recorded_at"}
    return hashlib.blake2b(orjson.dumps([_KINDS[type(data)], said], vars, _CONTENT), digest_size=16).digest()


def _id_of(told: str) -> str:
    """The UUID of version 5, which `uuid` takes four times as long to make."""
    found = hashlib.sha1(_EVENTS.bytes + told.encode(), usedforsecurity=False).hexdigest()
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{'89ab'[int(found[16], 16) % 4]}{found[17:20]}-{found[20:32]}"


def known(database: Database, council: str, staff: Iterable[Staff]) -> Known:
    """What earlier imports of a council tell about people, beside who its staff are."""
    mine = imported.c.council == council
    with database.read() as connection:
        advisers = connection.execute(sa.select(imported.c.item, imported.c.adviser_ref).where(
            mine, imported.c.kind == "person", imported.c.adviser_ref.is_not(None))).all()
        first_days = connection.execute(sa.select(imported.c.person_ref, sa.func.min(imported.c.day)).where(
            mine, imported.c.kind != "person", sa.not_(imported.c.gone)).group_by(imported.c.person_ref)).all()
    return replace(known_from(staff), advisers={row[0]: row[1] for row in advisers},
                   first_days={row[0]: row[1] for row in first_days})


def _is_forgotten(told: Statement[Item], gone: erasing.Erased) -> bool:
    """Whether what a row says of somebody erased is old; see `erasing`."""
    if "recorded_at" not in told.stood_in:
        return told.data.recorded_at <= gone.at
    return not gone.back if isinstance(told.data, Person) else told.data.occurred_at <= gone.at


def _as_before(told: Statement[Item], before: Any) -> Item:
    """A person whose first day the file does not know keeps the earliest that was ever known."""
    data = told.data
    if isinstance(data, Person) and "supported_since" in told.stood_in and before is not None and before.since is not None \
            and before.since < data.supported_since:
        return data.model_copy(update={"supported_since": before.since})
    return data


def _day(data: Item) -> date | None:
    return None if isinstance(data, Person) else london_day(data.occurred_at)
