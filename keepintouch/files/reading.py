"""Reads a table of an export into statements: one for each row, or why there is none.

Every row becomes one of three: a `Statement`, `Rejected` with the column, the value and the reason, or `Skipped` because the
mapping says so. None is dropped. What stands in for a field that no column feeds is said in `keepintouch.files.building`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, cast

from keepintouch.refs import RefError
from keepintouch.runtime.errors import UserError
from schemas.events import Contact, Person, Visit, WorkerRole
from schemas.staff import Staff

from . import cells
from .building import BUILDERS, NOTHING, Building, Known, NotSaid
from .dates import NO_DAY, Dates, Unreadable
from .fields import COLUMNS, FIELDS, Field, Kind, Shape
from .mapping import BLANKS, SKIP, Mapping, Source, default_mapping, plain, slug_like
from .naming import Names
from .rows import Broken, Cell, Row
from .tables import Table, open_table
from .told import Rejected, Skipped, Statement, Told

__all__ = ["Reader", "Rejected", "Skipped", "Statement", "Told", "read_contacts", "read_people", "read_staff", "read_table",
           "read_visits"]

_SHOWN = 200
"""Characters of a value that are repeated in the list of rejected rows."""
_MOST_REMEMBERED = 100_000


def read_people(path: Path, mapping: Mapping | None, names: Names, *, now: datetime,
                known: Known = NOTHING) -> Iterator[Told[Person]]:
    """Read a file of people; without a mapping, one with the headings of `keepintouch template people`. Raises UserError."""
    return _read(path, mapping, "people", names, now, known)


def read_contacts(path: Path, mapping: Mapping | None, names: Names, *, now: datetime,
                  known: Known = NOTHING) -> Iterator[Told[Contact | Visit]]:
    """Read a file of contacts or case notes, some of which may be visits. `known` tells roles. Raises UserError."""
    return _read(path, mapping, "contacts", names, now, known)


def read_visits(path: Path, mapping: Mapping | None, names: Names, *, now: datetime,
                known: Known = NOTHING) -> Iterator[Told[Visit]]:
    """Read a file of visits. `known` tells roles. Raises UserError."""
    return _read(path, mapping, "visits", names, now, known)


def read_staff(path: Path, mapping: Mapping | None, names: Names, *, now: datetime) -> Iterator[Told[Staff]]:
    """Read a file of staff. Raises UserError."""
    return _read(path, mapping, "staff", names, now, Known())


def _read(path: Path, mapping: Mapping | None, kind: Kind, names: Names, now: datetime, known: Known) -> Iterator[Told[Any]]:
    if mapping is not None and mapping.kind != kind:
        raise UserError(f"{path}: the mapping is of {mapping.kind}, and {kind} are to be read: give the right one")
    chosen = mapping or default_mapping(kind)
    with open_table(path, chosen.layout) as table:
        yield from read_table(table, chosen, names, now=now, known=known, lenient=mapping is None)


def read_table(table: Table, mapping: Mapping, names: Names, *, now: datetime, known: Known = NOTHING,
               lenient: bool = False) -> Iterator[Told[Any]]:
    """Read a table that lies open, by what kind its mapping says; `lenient`: columns that it lacks are just not there.

    Raises UserError if the table lacks a column of the mapping, or has it twice, or nothing feeds a field that must be fed.
    """
    reader = Reader(table, mapping, names, now, known, lenient=lenient)
    for row in table.rows:
        yield reader.told(row)


@dataclass(frozen=True, slots=True)
class _Feed:
    """One field, and the cell that feeds it."""

    field: Field
    at: int
    time_at: int | None
    coded: bool
    """Whether its values have meanings of their own, which what else looks like an empty cell may be one of."""
    read: Callable[[Cell], Any]


class _Left(Exception):  # noqa: N818 -- the row is left out, which is no error
    def __init__(self, told: Rejected | Skipped) -> None:
        self.told = told


class Reader:
    """Reads rows of one table. Raises UserError as `read_table` does."""

    def __init__(self, table: Table, mapping: Mapping, names: Names, now: datetime, known: Known, *, lenient: bool) -> None:
        self.table, self.mapping, self.names = table, mapping, names
        self._places: dict[str, list[int]] = {}
        for place, heading in enumerate(table.headings):
            self._places.setdefault(plain(heading), []).append(place)
        self._blanks = frozenset(BLANKS) | {plain(each) for each in mapping.blanks}
        self._dates = Dates(tuple(mapping.dates))
        self._refs: dict[tuple[str, type, Cell], str] = {}
        self._plainly = _remembered(lambda cell: plain(_shown(cell)))
        self._building = Building(mapping.feed, names.council, now, known, _role(mapping))
        feeds = (self._feed(name, source, lenient) for name, source in mapping.columns.items())
        found = [feed for feed in feeds if feed is not None]
        self._feeds = [feed for feed in found if feed.field.name in FIELDS[mapping.kind]]
        self._of_visits = [feed for feed in found if feed.field.name not in FIELDS[mapping.kind]]
        """In a file of contacts: read where the row's type says that it is a visit, for the column may hold anything else."""
        self._cohorts = {cohort: self._place(f"cohorts.{cohort}", source.column, lenient)
                         for cohort, source in mapping.cohorts.items()}
        self._flags = {plain(written): meant for written, meant in mapping.codes.get("cohorts", {}).items()}
        self._skips = [(self._place("skip", [heading], lenient), frozenset(map(plain, values)))
                       for heading, values in mapping.skip.items()]
        self._types_at = self._place("types", mapping.types.column, lenient) if mapping.types is not None else None
        self._types = self._typed()
        self._constants = self._parsed({name: value for name, value in mapping.constants.items() if name != "worker_role"},
                                       mapping.kind)
        self.fed = self._fed()
        """Fields that the file, or the mapping, says, by kind of statement."""
        for field in FIELDS[mapping.kind].values():
            if field.needed and field.name not in self.fed[mapping.kind]:
                raise UserError(f"{table.path}: no column feeds {field.name}: {_remedy(mapping, lenient)}")

    @property
    def unfed(self) -> frozenset[str]:
        """Fields that nothing says, such as `visit.announced` and `person.accommodation.since`."""
        return frozenset(f"{_NAMES[kind]}.{name.replace('accommodation_', 'accommodation.')}"
                         for kind, fed in self.fed.items() for name in FIELDS[kind].keys() - fed)

    def told(self, row: Row | Broken) -> Told[Any]:
        """What one row says."""
        if isinstance(row, Broken):
            return Rejected(row.number, "", "", row.reason)
        try:
            kind, values = self._values(row)
            data, stood_in = BUILDERS[kind](self._building, values)
        except _Left as left:
            return left.told
        except NotSaid as wrong:
            at = next((feed.at for feed in (*self._feeds, *self._of_visits) if feed.field.name == wrong.field), None)
            if at is None:
                return Rejected(row.number, wrong.field, "", wrong.reason, self._about(values))
            return self._rejected(row, at, wrong.reason, values)
        return Statement(row.number, data, stood_in)

    def _values(self, row: Row) -> tuple[Kind, dict[str, Any]]:
        """The fields of a row, read; which kind of statement it is. Raises _Left."""
        values, kind = dict(self._constants), self.mapping.kind
        for at, unwanted in self._skips:
            if at is not None and (self._plainly(row.cells[at]) in unwanted or ("" in unwanted and self._blank(row.cells[at]))):
                raise _Left(self._skipped(row, at))
        wrong = self._take(row, self._feeds, values)
        if self._types_at is not None and self._take_type(row, self._types_at, values):
            kind = "visits"
            wrong += self._take(row, self._of_visits, values)
        for feed, reason in wrong:
            if kind == self.mapping.kind or feed.field.name in _SHARED or feed in self._of_visits:
                raise _Left(self._rejected(row, feed.at, reason, values))
            if feed.field.name == "outcome":   # of a visit in a file of contacts: it may be said as one is of visits
                said = _VISIT_OUTCOMES.get(slug_like(_shown(row.cells[feed.at])))
                if said is None:
                    raise _Left(self._rejected(row, feed.at, reason, values))
                _not_seen_if_so_said(values, said)
        if self._cohorts:
            self._take_cohorts(row, values)
        return kind, values

    def _take(self, row: Row, feeds: Iterable[_Feed], values: dict[str, Any]) -> list[tuple[_Feed, str]]:
        """Read the cells; which ones cannot be read, and why. Raises _Left."""
        wrong, cells, blanks = [], row.cells, self._blanks
        for feed in feeds:
            cell = cells[feed.at]
            if cell == "" or (not feed.coded and type(cell) is str and cell.strip().casefold() in blanks):
                continue
            try:
                if feed.time_at is None:
                    value = feed.read(cell)
                else:
                    clock = cells[feed.time_at]
                    value = self._dates.instant(cell, None if self._blank(clock) else clock)
            except (Unreadable, RefError) as error:
                if not (feed.coded and self._blank(cell)):
                    wrong.append((feed, str(error)))
                continue
            if value == SKIP and feed.coded:
                raise _Left(self._skipped(row, feed.at))
            if value is not None:
                values[feed.field.name] = value
        return wrong

    def _take_type(self, row: Row, at: int, values: dict[str, Any]) -> bool:
        """Add what the row's type says where no cell does; whether it is a visit. Raises _Left."""
        meaning = self._types.get(self._plainly(row.cells[at]))
        if meaning is None:
            assert self.mapping.types is not None
            meaning = self.mapping.types.otherwise
        if meaning == SKIP:
            raise _Left(self._skipped(row, at))
        if not isinstance(meaning, dict):
            raise _Left(self._rejected(row, at, "is missing" if self._blank(row.cells[at]) else
                                       "is a type that the mapping does not list, or rejects (`types`)", values))
        as_visit, said = "as" in meaning, values.get("outcome")
        if as_visit:   # a cell's outcome or direction is that of a contact
            for name in FIELDS["contacts"].keys() - _SHARED:
                values.pop(name, None)
        for name, value in meaning.items():
            values.setdefault(name, value)
        if as_visit and said is not None:
            _not_seen_if_so_said(values, said)
        return as_visit

    def _take_cohorts(self, row: Row, values: dict[str, Any]) -> None:
        found = list(values.get("cohorts", []))
        for cohort, at in self._cohorts.items():
            if at is None or self._blank(row.cells[at]):
                continue
            try:
                member = cells.flag(row.cells[at], self._flags)
            except Unreadable as error:
                raise _Left(self._rejected(row, at, str(error), values)) from None
            if member and cohort not in found:
                found.append(cohort)
        values["cohorts"] = found

    def _blank(self, cell: Cell) -> bool:
        return type(cell) is str and cell.strip().casefold() in self._blanks

    def _skipped(self, row: Row, at: int) -> Skipped:
        return Skipped(row.number, f"{self.table.headings[at]}: {plain(_shown(row.cells[at]))}")

    def _rejected(self, row: Row, at: int, reason: str, values: dict[str, Any]) -> Rejected:
        return Rejected(row.number, self.table.headings[at], _shown(row.cells[at]), reason, self._about(values))

    def _about(self, values: dict[str, Any]) -> str | None:
        own = {"people": "person_ref", "staff": "worker_ref"}.get(self.mapping.kind)
        return self._building.record_id_of(values) if own is None else values.get(own)

    def _feed(self, name: str, source: Source, lenient: bool) -> _Feed | None:
        field = COLUMNS[self.mapping.kind][name]
        at = self._place(name, source.column, lenient)
        if at is None:
            return None
        time_at = self._place(f"{name}.time", source.time, lenient) if source.time is not None else None
        return _Feed(field, at, time_at, field.shape is Shape.CODE, self._reads(field, self.mapping.codes.get(name, {})))

    def _place(self, what: str, headings: list[str], lenient: bool) -> int | None:
        for heading in headings:
            places = [place for spelt, places in self._places.items() if fnmatchcase(spelt, plain(heading)) for place in places] \
                if "*" in heading else self._places.get(plain(heading), [])
            if len(places) > 1:
                raise UserError(f"{self.table.path}: has the column {heading!r} {len(places)} times: rename the others, so that "
                                f"it is clear which one feeds {what}")
            if places:
                return places[0]
        if lenient:
            return None
        raise UserError(f"{self.table.path}: has no column {' or '.join(map(repr, headings))}, which the mapping names for "
                        f"{what}")

    def _reads(self, field: Field, given: dict[str, str]) -> Callable[[Cell], Any]:
        codes = {plain(written): meant for written, meant in given.items()}
        options = cells.by_spelling(field.options)
        widths = self.mapping.widths
        if field.name == "accommodation_code":
            return _remembered(partial(cells.home, codes=codes))
        readers: dict[Shape, Callable[[Cell], Any]] = {
            Shape.PERSON: partial(self._ref, "person", widths.person, self.names.person),
            Shape.WORKER: partial(self._ref, "worker", widths.worker, self.names.worker),
            Shape.RECORD: partial(cells.case_id, width=widths.record), Shape.DAY: self._day, Shape.INSTANT: self._dates.instant,
            Shape.CODE: _remembered(partial(cells.code, codes=codes, options=options)),
            Shape.CODES: partial(cells.some, codes=codes, options=options),
            Shape.FLAG: _remembered(partial(cells.flag, codes=codes)),
            Shape.TEXT: cells.text, Shape.SLUGS: cells.slugs, Shape.MOBILE: cells.mobile}
        return readers[field.shape]

    def _day(self, cell: Cell) -> Any:
        found = self._dates.day(cell)
        return None if found == NO_DAY else found

    def _ref(self, kind: str, width: int | None, make: Callable[[str], str], cell: Cell) -> str | None:
        if (ref := self._refs.get((kind, type(cell), cell))) is None:
            found = cells.case_id(cell, width)
            if len(self._refs) >= _MOST_REMEMBERED:
                self._refs.clear()
            listed = self._building.known.workers.get(plain(found)) if kind == "worker" else None
            ref = self._refs[kind, type(cell), cell] = listed or make(found)
        return ref

    def _typed(self) -> dict[str, str | dict[str, Any]]:
        if self.mapping.types is None:
            return {}
        return {plain(written): meaning if isinstance(meaning, str) else self._parsed(
            meaning, "visits" if meaning.get("as") == "visit" else self.mapping.kind)
            for written, meaning in self.mapping.types.values.items()}

    def _fed(self) -> dict[Kind, frozenset[str]]:
        kind = self.mapping.kind
        cells_ = frozenset(feed.field.name for feed in self._feeds) | (frozenset({"cohorts"}) if self._cohorts else frozenset())
        meanings = [meaning for meaning in self._types.values() if isinstance(meaning, dict)]
        own = frozenset(name for meaning in meanings if "as" not in meaning for name in meaning)
        fed: dict[Kind, frozenset[str]] = {kind: cells_ | own | self.mapping.constants.keys()}
        if visits := [meaning for meaning in meanings if "as" in meaning]:
            fed["visits"] = (cells_ & _SHARED) | {feed.field.name for feed in self._of_visits} | {
                name for meaning in visits for name in meaning if name != "as"}
        return fed

    def _parsed(self, said: dict[str, str], kind: Kind) -> dict[str, Any]:
        """What the mapping itself says of fields, read as cells are."""
        found: dict[str, Any] = {}
        for name, value in said.items():
            if name == "as":
                found[name] = value
            elif value:
                try:
                    found[name] = self._reads(FIELDS[kind][name], {})(value)
                except (Unreadable, RefError) as error:
                    raise UserError(f"the mapping says {value!r} for {name}, which {error}") from None
        return found


_NAMES: dict[Kind, str] = {"people": "person", "contacts": "contact", "visits": "visit", "staff": "staff"}
_FAILED = {"no_reply": "no_access", "left_message": "no_access", "no_access": "no_access", "refused": "refused",
           "cancelled": "cancelled"}
"""What an outcome that a cell has means of a visit that its type says took place."""
_VISIT_OUTCOMES = cells.by_spelling(FIELDS["visits"]["outcome"].options)
_SHARED = frozenset(FIELDS["contacts"]) & frozenset(FIELDS["visits"]) - {"outcome"}


def _remembered(read: Callable[[Cell], Any]) -> Callable[[Cell], Any]:
    """The same for cells that say one of few things: each text is read once."""
    known: dict[str, Any] = {}

    def reads(cell: Cell) -> Any:
        if type(cell) is not str:
            return read(cell)
        try:
            return known[cell]
        except KeyError:
            value = read(cell)
            if len(known) < _MOST_REMEMBERED:
                known[cell] = value
            return value
    return reads


def _not_seen_if_so_said(values: dict[str, Any], said: str) -> None:
    """A type alone must not say that someone was seen."""
    if said in _FAILED and values.get("outcome") == "seen":
        values["outcome"] = _FAILED[said]


def _remedy(mapping: Mapping, lenient: bool) -> str:
    if not lenient:
        return "name one in the mapping (`columns`)"
    if mapping != default_mapping(mapping.kind):
        return "it is not of the format it was read as, or its headings are others"
    return (f"'keepintouch map' proposes a mapping of its headings, to be given with --mapping; those of 'keepintouch template "
            f"{mapping.kind}' need none")


def _role(mapping: Mapping) -> WorkerRole | None:
    """What the mapping says of workers whose role is not known; it has been checked."""
    return cast(WorkerRole | None, mapping.constants.get("worker_role"))


def _shown(cell: Cell) -> str:
    try:
        return cells.as_text(cell)[:_SHOWN]
    except Unreadable:
        return str(cell)[:_SHOWN]
