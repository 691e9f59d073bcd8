"""Imports one file: reads it part by part, hands it to the ledger, writes the lists of what was rejected and of who is gone."""
from __future__ import annotations

import contextlib
import csv
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from keepintouch.calendar import london_day
from keepintouch.files.formats import Part
from keepintouch.files.reading import Reader, Rejected, Skipped, Statement
from keepintouch.files.report import RejectsFile, harmless
from keepintouch.files.tables import Table
from keepintouch.refs import Refs
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from schemas.staff import Staff
from services.intake.imports import Import, Outcome, Publisher, Voiding, Window, known


class Kafka(Publisher, Protocol):
    """Where events and staff go; `keepintouch.publishing.Sender` is one."""

    def staff(self, member: Staff) -> None:
        """Take a member of staff."""
        ...


Progress = Callable[[Table, int], None]
"""Told how many rows of a table have been read, now and then."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a file is to be imported."""

    complete_through: date | None = None
    """None: the day before the file was written."""
    window: Window | None = None
    void: Voiding = Voiding.UNLESS_MANY
    rejects: Path | None = None
    """None: beside the file."""


@dataclass(slots=True)
class Imported:
    """What became of one table of a file."""

    feed: str
    kind: str
    """What the rows are about, and how the table was read."""
    outcome: Outcome
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Why rows were rejected: column and reason."""
    rejects: Path | None = None
    gone: Path | None = None


class Importer:
    """Imports files of one council into Kafka, with one ledger.

    `staff` tells who is on their topic, by ref. It is asked for each file: the board may have set a leave since. `erasures` is
    called before each, with the instant: it notes who was erased elsewhere since.
    """

    def __init__(self, database: Database, kafka: Kafka, names: Refs, staff: Callable[[], Mapping[str, Staff]],
                 progress: Progress = lambda table, rows: None,
                 erasures: Callable[[datetime], None] = lambda now: None) -> None:
        self._database, self._kafka, self._names, self._progress = database, kafka, names, progress
        self._read_staff, self._note_erasures = staff, erasures
        self._staff: dict[str, Staff] = {}

    def file(self, path: Path, parts: Sequence[Part], now: datetime, order: Order = Order()) -> list[Imported]:
        """Import a file. Raises UserError; what was published by then is not published again next time."""
        self._staff = {ref: member for ref, member in self._read_staff().items() if member.council == self._names.council}
        complete = order.complete_through or _day_before_written(path, now)
        if complete > london_day(now):
            raise UserError("--complete-through lies after today: it is the last day that is in the file completely")
        self._note_erasures(now)
        with RejectsFile(order.rejects or path.with_name(f"{path.stem}.rejects.csv")) as rejects, _passed_over():
            return [self._part(path, part, now, replace(order, complete_through=complete), rejects) for part in parts]

    def _part(self, path: Path, part: Part, now: datetime, order: Order, rejects: RejectsFile) -> Imported:
        about = known(self._database, self._names.council, self._staff.values())
        with part.open() as table:
            reader = Reader(table, part.mapping, self._names, now, about, lenient=part.lenient)
            done = Imported(part.mapping.feed, f"{part.mapping.kind}: {table.kind}", Outcome())

            def reject(rejected: Rejected) -> None:
                rejects.add(table.name, rejected)
                done.reasons[rejected.column, rejected.reason] += 1

            if part.mapping.kind == "staff":
                done.outcome = self._staff_of(reader, part, reject)
            else:
                done.outcome = self._events_of(reader, part, now, order, reject)
        done.rejects = rejects.path if done.reasons else None
        if done.outcome.gone:
            done.gone = path.with_name(f"{path.stem}.gone.csv")
            _write_gone(done.gone, self._names, done.outcome.gone)
        return done

    def _events_of(self, reader: Reader, part: Part, now: datetime, order: Order,
                   reject: Callable[[Rejected], None]) -> Outcome:
        run = Import(self._database, self._kafka, self._names.council, part.mapping.feed, now)
        for number, row in enumerate(reader.table.rows, 1):
            told = reader.told(row)
            if isinstance(told, Rejected):
                reject(told)
            run.take(told)
            if number % 1_000 == 0:
                self._progress(reader.table, number)
        outcome = run.finish(order.complete_through, order.window, Voiding.NEVER if part.latest_only else order.void)
        for rejected in run.rejected:
            reject(rejected)
        return outcome

    def _staff_of(self, reader: Reader, part: Part, reject: Callable[[Rejected], None]) -> Outcome:
        """Staff are compared with their topic: it is the only place where a leave that the board set is."""
        outcome, seen = Outcome(), set[str]()
        for row in reader.table.rows:
            told = reader.told(row)
            match told:
                case Rejected():
                    reject(told)
                    outcome.counts["rejected"] += 1
                    seen.update({told.record_id} if told.record_id is not None else ())
                case Skipped():
                    outcome.counts["skipped"] += 1
                case Statement():
                    member = self._as_it_stands(told.data, reader.fed["staff"], part)
                    if member.worker_ref in seen:
                        reject(Rejected(told.row, "", "", "another row of this file is about the same worker"))
                        outcome.counts["rejected"] += 1
                        continue
                    seen.add(member.worker_ref)
                    changed = member != self._staff.get(member.worker_ref)
                    outcome.counts["published" if changed else "unchanged"] += 1
                    if changed:
                        self._kafka.staff(member)
                        self._staff[member.worker_ref] = member
        self._kafka.flush()
        if seen and not part.latest_only:
            outcome.gone = sorted(ref for ref, member in self._staff.items() if member.active and ref not in seen)
        return outcome

    def _as_it_stands(self, member: Staff, fed: frozenset[str], part: Part) -> Staff:
        """With the leave and the cover that the topic has, where the file does not know of any."""
        held = self._staff.get(member.worker_ref)
        if held is None:
            return member
        if part.latest_only:
            return held
        kept = {"absence": held.absence} if "absence_from" not in fed else {}
        return member.model_copy(update=kept | ({"cover_ref": held.cover_ref} if "cover_ref" not in fed else {}))


@contextlib.contextmanager
def _passed_over() -> Iterator[None]:
    """What is in memory already is passed over by the garbage collector, which would look through it again for every few rows."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _day_before_written(path: Path, now: datetime) -> date:
    """An export written on a day has the day before completely, that day itself perhaps not."""
    written = datetime.fromtimestamp(max((each.stat().st_mtime for each in _files(path)), default=now.timestamp()), now.tzinfo)
    return min(london_day(written), london_day(now)) - timedelta(days=1)


def _files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else path.iterdir() if path.is_dir() else []


def _write_gone(path: Path, names: Refs, refs: Sequence[str]) -> None:
    """The list of who is no longer in the file, by the case system's ids: it stays with the council."""
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            to = csv.writer(file)
            to.writerow(["id", "what"])
            for ref in refs:
                kind, case_id = names.who(ref)
                to.writerow([harmless(case_id), f"a {kind} who was in an earlier file and is not in this one"])
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
