"""Files of known formats, as the tables in them: each with the mapping by which it is read."""
from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

from keepintouch.runtime.errors import UserError
from keepintouch.yaml_file import read_yaml

from .dates import Dates
from .joining import NO_CONTACT, by_id, id_in, looked_up, no_day, place_of, with_columns
from .mapping import Mapping, Widths
from .professionals import Professionals, Tables, professionals, teams, with_teams
from .rows import Cell, Row
from .tables import EmptySheet, Layout, Table, open_table, sheet_names


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a file, to be read by a mapping."""

    mapping: Mapping
    open: Callable[[], AbstractContextManager[Table]]
    """Opens it. Raises UserError."""
    lenient: bool = False
    """Columns that it lacks are just not there."""
    latest_only: bool = False
    """It holds the latest record of each person only: an earlier one that is not in it has not been deleted. Of staff: some, and
    little of each, so that it changes nothing of who is known already."""


def mapped(path: Path, mapping: Mapping, *, lenient: bool = False) -> Part:
    """A file that a mapping describes."""
    return Part(mapping, partial(open_table, path, mapping.layout), lenient)


def widened(parts: Sequence[Part], width: int | None) -> list[Part]:
    """The same, with so many digits to each person's id: shorter ones get the zeros back that a spreadsheet took off."""
    if width is None:
        return list(parts)
    return [replace(part, mapping=part.mapping.model_copy(update={"widths": Widths(person=width)})) for part in parts]


@cache
def known_mapping(format_: str, part: str) -> Mapping:
    """A mapping that is shipped, of a part of a known format."""
    found = cast(dict[str, Any], read_yaml(Path(__file__).parent / "known" / f"{format_}.yaml"))
    return Mapping.model_validate(found[part])


_CHILD = ("Child Unique ID", "Child ID", "*child*unique*")
_PLACED = ("Start Date of Most Recent Placement", "*start date*placement*")


def annex_a(path: Path) -> list[Part]:
    """The parts of an Annex A workbook: List 9, and of those in it what 8 and 6 say. Raises UserError if there is no List 9."""
    lists = {int(found[1]): name for name in sheet_names(path)
             if (found := re.search(r"list[\s_-]*0?(\d{1,2})(?!\d)", name.lower()))}
    if 9 not in lists:
        raise UserError(f"{path}: has no sheet List 9, which an Annex A has for care leavers")

    def sheet(number: int) -> AbstractContextManager[Table]:
        layout = Layout(sheet=lists[number])
        if number == 9:
            return open_table(path, layout)
        return _perhaps_empty(path, layout, known_mapping("annex_a", f"visits_{number}"))

    def part(name: str, number: int, opens: Callable[[str, Callable[[], AbstractContextManager[Table]]],
                                                     AbstractContextManager[Table]]) -> Part:
        return Part(known_mapping("annex_a", name), partial(opens, name, partial(sheet, number)), lenient=True,
                    latest_only=name != "people")

    @contextlib.contextmanager
    def people(name: str, opens: Callable[[], AbstractContextManager[Table]]) -> Iterator[Table]:
        placed: dict[str, Sequence[Cell]] = {}
        if 8 in lists:
            with sheet(8) as eight:
                start = place_of(eight, *_PLACED)
                placed = {child: ["yes", "" if start is None else row.cells[start]]
                          for child, row in by_id(eight, place_of(eight, *_CHILD)) if _still_looked_after(eight, row)}
        with opens() as table:
            headings = ["[Looked After]", "[Start Date of Most Recent Placement]"]
            yield with_columns(table, place_of(table, *_CHILD), headings,
                               lambda child, row: placed.get(child, ["no", ""])) if placed else table

    @contextlib.contextmanager
    def records(name: str, opens: Callable[[], AbstractContextManager[Table]]) -> Iterator[Table]:
        mapping = known_mapping("annex_a", name)
        with sheet(9) as nine:
            leavers = {child for child, _ in by_id(nine, place_of(nine, *_CHILD))}
        with opens() as table:
            yield _of_leavers(table, mapping, "[In List 9]", leavers)

    return [part("contacts", 9, records), *(part(f"visits_{number}", number, records) for number in (8, 6) if number in lists),
            part("people", 9, people)]   # last: the first day known of somebody may be that of their contact


@contextlib.contextmanager
def _perhaps_empty(path: Path, layout: Layout, mapping: Mapping) -> Iterator[Table]:
    """A sheet; one with headings at most is a table without rows, for a council may have nobody to list."""
    with contextlib.ExitStack() as stack:
        table = None
        with contextlib.suppress(EmptySheet):
            table = stack.enter_context(open_table(path, layout))
        if table is not None and (first := next(table.rows, None)) is not None:
            yield replace(table, rows=chain([first], table.rows))
        else:
            headings = tuple(source.column[0] for source in mapping.columns.values())
            yield Table(path, headings, iter(()), f"workbook, sheet {layout.sheet!r}", lambda: 1.0, layout.sheet)


def _of_leavers(table: Table, mapping: Mapping, heading: str, leavers: Container[str]) -> Table:
    """A table of records with a column that says whose are wanted, and one that says where there is none; a day it must have."""
    wanted, dates = mapping.columns["occurred_at"].column, Dates(tuple(mapping.dates))
    day = place_of(table, *wanted)
    headings = [heading, NO_CONTACT] if day is not None else [heading, NO_CONTACT, wanted[0]]

    def adds(id_: str, row: Row) -> Sequence[Cell]:
        whose = "yes" if id_ in leavers else "no"
        return [whose, "yes", ""] if day is None else [whose, "yes" if no_day(row.cells[day], dates) else "no"]

    return with_columns(table, place_of(table, *mapping.columns["person_ref"].column), headings, adds)


def _still_looked_after(table: Table, row: Row) -> bool:
    ceased = place_of(table, "Date Ceased to be Looked After", "*ceased*looked after*")
    return ceased is None or no_day(row.cells[ceased], Dates())


def ssd(tables: Tables, has: Callable[[str], bool]) -> list[Part]:
    """The parts of the Standard Safeguarding Dataset: who works with care leavers, these, and their visits while looked after."""
    @cache
    def workers() -> Professionals:
        return professionals(tables) if has("ssd_professionals") else Professionals()

    @contextlib.contextmanager
    def people() -> Iterator[Table]:
        with tables("ssd_person") as table:
            born = place_of(table, "pers_dob")
            births: dict[str, Sequence[Cell]] = {} if born is None else {
                person: [row.cells[born]] for person, row in by_id(table, place_of(table, "pers_person_id"))}
        since = _since(tables) if has("ssd_involvements") else {}
        with tables("ssd_care_leavers") as table:
            person = place_of(table, "clea_person_id")
            adviser, worker = place_of(table, "clea_care_leaver_personal_advisor"), place_of(table, "clea_care_leaver_worker_id")
            born_of = looked_up(births, 1)

            def adds(id_: str, row: Row) -> Sequence[Cell]:
                named = workers().id_of(id_in(row, adviser) or id_in(row, worker))
                return [*born_of(id_, row), named, since.get((id_, named), "")]

            yield with_columns(table, person, ["[pers_dob]", "[adviser]", "[adviser since]"], adds)

    @contextlib.contextmanager
    def records(name: str) -> Iterator[Table]:
        mapping = known_mapping("ssd", name)
        with tables("ssd_care_leavers") as table:
            leavers = {person for person, _ in by_id(table, place_of(table, "clea_person_id"))}
        with tables("ssd_cla_visits" if name == "visits" else "ssd_care_leavers") as table:
            yield _of_leavers(table, mapping, "[Care Leaver]", leavers)

    @contextlib.contextmanager
    def staff() -> Iterator[Table]:
        with tables("ssd_care_leavers") as table:
            rows = [row for _, row in by_id(table, place_of(table, "clea_person_id"))]
            advisers, involved = ({workers().id_of(id_in(row, place_of(table, name))) for row in rows} for name in (
                "clea_care_leaver_personal_advisor", "clea_care_leaver_worker_id"))
        with tables("ssd_professionals") as table:
            yield with_teams(table, advisers, involved, teams(tables) if has("ssd_department") else {})

    parts = [Part(known_mapping("ssd", "staff"), staff, lenient=True, latest_only=True)] if has("ssd_professionals") else []
    parts.append(Part(known_mapping("ssd", "contacts"), partial(records, "contacts"), lenient=True, latest_only=True))
    if has("ssd_cla_visits"):
        parts.append(Part(known_mapping("ssd", "visits"), partial(records, "visits"), lenient=True))
    return [*parts, Part(known_mapping("ssd", "people"), people, lenient=True)]


def _since(tables: Tables) -> dict[tuple[str, str], Cell]:
    """Since when a worker has been involved with a person; of several times the latest that has not ended."""
    found: dict[tuple[str, str], Cell] = {}
    dates = Dates(("yyyy-mm-dd", "dd/mm/yyyy"))
    with tables("ssd_involvements") as table:
        person, worker = place_of(table, "invo_person_id"), place_of(table, "invo_professional_id")
        start, end = place_of(table, "invo_involvement_start_date"), place_of(table, "invo_involvement_end_date")
        for id_, row in by_id(table, person):
            if start is None or no_day(row.cells[start], dates) or not (end is None or no_day(row.cells[end], dates)):
                continue
            key = id_, id_in(row, worker)
            if key not in found or str(dates.day(row.cells[start])) > str(dates.day(found[key])):
                found[key] = row.cells[start]
    return found


def ssd_folder(path: Path) -> list[Part]:
    """The Standard Safeguarding Dataset as a folder of CSV files, each named as its table. Raises UserError."""
    if not path.is_dir():
        raise UserError(f"{path}: is no folder: give the one with ssd_care_leavers.csv and the others")
    files = {file.stem.lower(): file for file in sorted(path.iterdir()) if file.suffix.lower() in (".csv", ".xlsx")}

    def opens(name: str) -> AbstractContextManager[Table]:
        if name not in files:
            raise UserError(f"{path}: has no {name}.csv")
        return open_table(files[name])

    return ssd(opens, files.__contains__)


FORMATS: dict[str, Callable[[Path], list[Part]]] = {"annex-a": annex_a, "ssd": ssd_folder}
"""By name: what finds the parts of a file, or of a folder."""
