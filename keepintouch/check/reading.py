"""A council's files taken in: people, contacts and visits as tables, or events; every row becomes something, or is rejected."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.files.building import NOTHING, Known, known_from
from keepintouch.files.fields import FIELDS, Kind
from keepintouch.files.formats import FORMATS, Part, mapped, widened
from keepintouch.files.mapping import Mapping, default_mapping, load_mapping
from keepintouch.files.naming import PlainNames
from keepintouch.files.reading import Reader, Statement
from keepintouch.files.reading import Rejected as RejectedRow
from keepintouch.runtime.errors import UserError
from keepintouch.standards.instants import microseconds
from keepintouch.standards.world import World
from schemas.events import Contact, Person, Visit
from schemas.staff import Staff

from .material import Material, Rejected, Source

Tick = Callable[[float], None]
"""Told how much more of the whole has been read."""
Shown = Callable[[str, float], Tick]
"""Begins to show the reading of a file, of so much in all."""

COUNCIL = "here"
"""Stands in refs where nothing leaves this machine, and so no council needs to be named."""
_EVERY = 500
"""Rows after which progress is told."""


@dataclass(frozen=True, slots=True)
class Files:
    """What was given."""

    people: Path | None = None
    contacts: Path | None = None
    visits: Path | None = None
    staff: Path | None = None
    annex_a: Path | None = None
    events: Path | None = None
    mappings: tuple[Path, ...] = ()
    ssd: Path | None = None
    width: int | None = None
    """Digits of a person's id in files that have no mapping of their own."""


def read(files: Files, now: datetime, shown: Shown = lambda file, total: lambda more: None) -> Material:
    """Read everything that was given. UserError for what is missing, or cannot be read as a whole."""
    tables = (files.people, files.contacts, files.visits, files.staff, files.annex_a, files.ssd)
    if files.events is not None:
        if any(tables) or files.mappings:
            raise UserError("--events is read by itself: give it without other files, or those without it")
        return from_events(files.events, now, shown)
    if sum(each is not None for each in (files.people, files.annex_a, files.ssd)) != 1:
        raise UserError("say who the people are: one of --people FILE, --annex-a FILE and --ssd FOLDER (or --events FILE)")
    return _Tables(files, now, shown).read()


def from_events(path: Path, now: datetime, shown: Shown = lambda file, total: lambda more: None) -> Material:
    """Read a file of events. Every line that is not accepted is in `rejected`; UserError if there is no such file."""
    world, rejected, rows, since = World(), list[Rejected](), 0, 0
    try:
        tick = shown(path.name, path.stat().st_size)
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                since += len(line)
                if number % _EVERY == 0:
                    tick(since)
                    since = 0
                if line := line.strip(b" \t\r\n"):
                    rows += 1
                    result = accept_event(line, None, (), now, None)
                    if isinstance(result, Accepted):
                        world.fold(result.event_id, result.data)
                    else:
                        rejected.append(Rejected(path.name, number, "", "", f"{result.reason}: {result.detail}"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    return Material(world, (Source(path.name, "events", rows),), tuple(rejected))


@dataclass(slots=True)
class _Read:
    """One file, read."""

    source: Source
    makes: frozenset[Kind] = frozenset()
    """What its rows become: some of a file of contacts may be visits."""
    said: list[Statement[Any]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unfed: frozenset[str] = frozenset()
    again: list[int] = field(default_factory=list)
    """Rows that say what another row says already."""

    def settle(self) -> None:
        """Let one row hold of those about the same person or record: what was typed up last, or else the lower one."""
        holds: dict[tuple[str, ...], Statement[Any]] = {}
        for each in self.said:
            before = holds.get(what := _identity(each.data))
            if before is None or isinstance(each.data, Staff) or each.data.recorded_at >= before.data.recorded_at:
                holds[what] = each
        if len(holds) == len(self.said):
            return
        for each in self.said:
            if each is not (held := holds[_identity(each.data)]):
                if _content(each) == _content(held):
                    self.again.append(each.row)
                else:
                    self.rejected.append(Rejected(self.source.file, each.row, "", "", f"is about what row {held.row} is about, "
                                                  "and says something else: that row holds"))
        self.said = list(holds.values())


class _Tables:
    """Reads tables in the order in which each helps to read the next: staff, people, contacts, visits."""

    def __init__(self, files: Files, now: datetime, shown: Shown) -> None:
        self._now, self._shown = now, shown
        self._names = PlainNames(COUNCIL)
        self._parts = _parts(files)

    def read(self) -> Material:
        """Everything, taken in."""
        staff = self._tables("staff", NOTHING)
        listed = [each.data for each in _said(staff)]
        people = self._tables("people", known_from(listed))
        known = known_from(listed, [each.data for each in _said(people)])
        records = [*self._tables("contacts", known), *self._tables("visits", known)]
        if any("supported_since" in each.stood_in for each in _said(people)):
            people = self._tables("people", known_from(listed, (), [each.data for each in _said(records)]))
        found = [*staff, *people, *records]
        refs = [{each.data.person_ref for each in _said(tables)} for tables in (people, records)]
        return Material(
            _world([*people, *records]), tuple(each.source for each in found),
            tuple(row for each in found for row in each.rejected), self._own_ids(_said(people), _said(records)),
            _unfed(found), microseconds(self._now),
            all(part.latest_only for _, part in self._parts if part.mapping.kind in ("contacts", "visits")), tuple(_notes(found)),
            tuple(self._zeros(*refs)))

    def _tables(self, kind: Kind, known: Known) -> list[_Read]:
        return [self._table(path, part, known) for path, part in self._parts if part.mapping.kind == kind]

    def _table(self, path: Path, part: Part, known: Known) -> _Read:
        tick, done = self._shown(path.name, 1.0), 0.0
        with part.open() as table:
            reader = Reader(table, part.mapping, self._names, self._now, known, lenient=part.lenient)
            found, rows, skipped = _Read(Source(table.name, part.mapping.kind, 0)), 0, 0
            for rows, row in enumerate(table.rows, 1):
                told = reader.told(row)
                if isinstance(told, Statement):
                    found.said.append(told)
                elif isinstance(told, RejectedRow):
                    found.rejected.append(Rejected(table.name, told.row, told.column, told.value, told.reason))
                else:
                    skipped += 1
                if rows % _EVERY == 0:
                    tick(table.progress() - done)
                    done = table.progress()
            found.source, found.unfed = Source(table.name, part.mapping.kind, rows, skipped), reader.unfed
            found.makes = frozenset() if part.latest_only else frozenset(reader.fed)
        found.settle()
        return found

    def _zeros(self, people: set[str], others: set[str]) -> Iterator[str]:
        """Whether files disagree about the zeros in front of ids, so that one person is two."""
        shortened = {self._names.case_id(ref).lstrip("0") for ref in people if self._names.case_id(ref).isdigit()}
        if any(self._names.case_id(ref).lstrip("0") in shortened for ref in others - people):
            yield ("Some ids are in one file with zeros in front and in another without, as a spreadsheet leaves them, so that "
                   "contacts count for nobody: say how many digits an id has, by widths in the mapping, or --width for a file "
                   "that has none.")

    def _own_ids(self, people: Iterable[Statement[Person]], records: Iterable[Statement[Contact | Visit]]) -> dict[str, str]:
        refs = {ref for each in people for ref in (each.data.person_ref, each.data.adviser_ref) if ref is not None}
        refs |= {each.data.person_ref for each in records}
        return {ref: self._names.case_id(ref) for ref in refs}


def _parts(files: Files) -> list[tuple[Path, Part]]:
    """The tables of the files that were given, each with the mapping by which it is read. Raises UserError."""
    mappings: dict[Kind, Mapping] = {}
    for written in files.mappings:
        mapping = load_mapping(written)
        if mapping.kind in mappings:
            raise UserError(f"{written}: is a second mapping of {mapping.kind}: give one for each kind of file")
        mappings[mapping.kind] = mapping
    latest_wanted = files.contacts is None and files.visits is None   # those have the latest, and say more
    found = [(path, part) for name, path in (("annex-a", files.annex_a), ("ssd", files.ssd)) if path is not None
             for part in widened(FORMATS[name](path), files.width)
             if not part.latest_only or latest_wanted or part.mapping.kind == "staff"]
    given: dict[Kind, Path | None] = {
        "people": files.people, "contacts": files.contacts, "visits": files.visits, "staff": files.staff}
    for kind, path in given.items():
        own = mappings.get(kind)
        if path is not None:
            part = mapped(path, own or default_mapping(kind), lenient=own is None)
            found += [(path, each) for each in (widened([part], files.width) if own is None else [part])]
        elif own is not None:
            raise UserError(f"there is a mapping of {kind}, but no file of them: add --{kind} FILE")
    feeds = [part.mapping.feed for _, part in found if part.mapping.kind in ("contacts", "visits")]
    if twice := next((feed for feed in feeds if feeds.count(feed) > 1), None):
        raise UserError(f"two files have the feed {twice!r}, so records of one could be taken for those of the other: name them "
                        "apart in the mappings (`feed`)")
    return found


def _said(tables: list[_Read]) -> list[Statement[Any]]:
    return [each for table in tables for each in table.said]


def _world(tables: list[_Read]) -> World:
    """Everybody, and everything about them. Where nothing else tells which row is later, it is the one further down."""
    world = World()
    for number, table in enumerate(tables):
        for each in table.said:
            world.fold(f"{number:02d}-{each.row:09d}", each.data)
    return world


def _unfed(found: list[_Read]) -> frozenset[str]:
    """Fields that no column of any file feeds; of what no file is about, all of them."""
    unfed = set[str]()
    prefixes: dict[Kind, str] = {"people": "person.", "contacts": "contact.", "visits": "visit."}
    for kind, prefix in prefixes.items():
        lacking = [frozenset(name for name in each.unfed if name.startswith(prefix)) for each in found if kind in each.makes]
        unfed |= frozenset.intersection(*lacking) if lacking else {f"{prefix}{name}" for name in FIELDS[kind]}
    return frozenset(unfed)


def _notes(found: list[_Read]) -> Iterator[str]:
    """What had to be assumed, in sentences."""
    for each in found:
        for name, count in sorted(Counter(name for said in each.said for name in said.stood_in).items()):
            if name in _STANDS_IN:
                yield f"{each.source.file}, {count:,} rows: {_STANDS_IN[name]}."
        if each.source.skipped:
            yield f"{each.source.file}, {each.source.skipped:,} rows: left out, because the mapping says so."
        if each.again:
            shown = ", ".join(map(str, sorted(each.again)[:_MOST_SHOWN])) + (", …" if len(each.again) > _MOST_SHOWN else "")
            yield f"{each.source.file}, {len(each.again):,} rows: say what another row says already (rows {shown})."
        if not each.source.rows:
            yield f"{each.source.file}: no rows below the headings."


def _identity(data: Person | Contact | Visit | Staff) -> tuple[str, ...]:
    if isinstance(data, Staff):
        return (data.worker_ref,)
    return (data.person_ref,) if isinstance(data, Person) else (data.person_ref, data.record_id)


def _content(said: Statement[Any]) -> dict[str, Any]:
    """What a row says, without when it was typed up."""
    content: dict[str, Any] = said.data.model_dump(exclude={"recorded_at"})
    return content


_MOST_SHOWN = 10
_STANDS_IN = {
    "recorded_at": "do not say when they were typed up",
    "worker_role": "do not say in what role the worker acted; taken from the staff file, the person's adviser or the mapping",
    "direction": "do not say who contacted whom; taken as going out",
    "outcome": "do not say what came of it; a written message is taken as unanswered, a meeting as one at which both took part",
    "location": "do not say where; taken as seen, but not at home",
    "record_id": "have no id of their own; one is made of person, worker, time and kind",
    "supported_since": "do not say since when there is support; taken as the earliest day anything is known of them",
    "looked_after": "do not say whether still looked after; taken from the category (eligible)",
    "need": "do not say the level of need; taken as standard",
    "accommodation_council_provided": "do not say whether the council provides the home; taken as no",
    "accommodation_hostel": "do not say whether the home is a hostel; taken as no",
}
"""What stands in for fields that are not told, to follow the rows; see `keepintouch.files.building`."""
