"""`keepintouch reconcile oc3`: the yearly return beside the records."""
from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from keepintouch.calendar import london_day
from keepintouch.check.material import Material
from keepintouch.check.reading import Files, read
from keepintouch.files import cells
from keepintouch.files.dates import Dates, Unreadable
from keepintouch.files.joining import place_of
from keepintouch.files.reading import Rejected
from keepintouch.files.report import RejectsFile, harmless
from keepintouch.files.rows import Broken, Row
from keepintouch.files.tables import Layout, Table, open_table, sheet_names
from keepintouch.reconciling import Finding, Line, Year, latest_ended, reconcile
from keepintouch.refs import RefError, council_of, load_key
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.standards.person import Person

from .common import spare
from .keys import KeysDir, keys_dir

app = typer.Typer(name="reconcile", help="Hold what was reported beside what is recorded.", no_args_is_help=True)

_COLUMNS = {"CHILD": ("child",), "DOB": ("dob",), "IN_TOUCH": ("in_touch", "in touch"), "ACTIV": ("activ",), "ACCOM": ("accom",)}


@app.callback()
def _reconcile() -> None:
    """Hold what was reported beside what is recorded."""


@app.command("oc3")
def oc3(
    file: Annotated[Path, typer.Argument(help="Table OC3 of the return: CHILD, DOB, IN_TOUCH, ACTIV, ACCOM; CSV or workbook.")],
    *,
    people: Annotated[Path | None, typer.Option(help="CSV or workbook of the people.")] = None,
    contacts: Annotated[Path | None, typer.Option(help="CSV or workbook of contacts or case notes.")] = None,
    visits: Annotated[Path | None, typer.Option(help="CSV or workbook of visits, where they are kept apart.")] = None,
    staff: Annotated[Path | None, typer.Option(help="CSV or workbook of staff: tells in what role a worker acted.")] = None,
    annex_a: Annotated[Path | None, typer.Option(help="Ofsted's Annex A workbook.")] = None,
    ssd: Annotated[Path | None, typer.Option(help="Folder of the Standard Safeguarding Dataset: CSV files ssd_….")] = None,
    events: Annotated[Path | None, typer.Option(
        help="CloudEvents, one JSON a line, instead of all of these; the council's key must be at hand.")] = None,
    mapping: Annotated[list[Path] | None, typer.Option(help="What the columns of a file mean. Again for another file.")] = None,
    width: Annotated[int | None, typer.Option(
        min=1, max=32, help="How many digits an id has, where a spreadsheet took zeros off: in the return, and in files without "
                            "a mapping.")] = None,
    year: Annotated[int | None, typer.Option(
        min=1990, max=2199, help="The year that ended on 31 March of it; default: the latest.")] = None,
    before: Annotated[int, typer.Option(min=0, max=60, help="Months before a birthday of which a contact counts.")] = 3,
    after: Annotated[int, typer.Option(min=0, max=60, help="Months after it.")] = 1,
    out: Annotated[Path, typer.Option(
        help="Where the findings go, one a row, with the case system's ids.")] = Path("oc3.findings.csv"),
    keys: KeysDir = None,
) -> None:
    """Say who the return counts in touch without a record behind it, whose codes contradict one another, and who is missing.

    How wide "around the birthday" is in the return's own guide could not be confirmed: --before and --after say it.
    """
    rejects_path = out.with_name(f"{out.stem}.rejects.csv")
    spare((file, people, contacts, visits, staff, annex_a, events, *(mapping or ())), (out, rejects_path))
    now = clock_from_env().now()
    material = read(Files(people, contacts, visits, staff, annex_a, events, tuple(mapping or ()), ssd, width), now)
    of_year = Year(year or latest_ended(london_day(now)), before, after)
    with RejectsFile(rejects_path) as rejects:
        lines = list(_lines(file, width, rejects))
        for row in material.rejected:
            rejects.add(row.file, Rejected(row.row, row.column, row.value, row.reason))
        if rejects.rows:
            typer.echo(f"rows that could not be read: {rejects.rows:,}, each with its reason in {rejects.path}", err=True)
    findings = list(reconcile(lines, _by_case_id(material, keys), of_year))
    _write(out, findings)
    typer.echo(f"return of {of_year.first} to {of_year.last}: {len(lines):,} young people")
    for matter, number in Counter(finding.matter for finding in findings).most_common():
        typer.echo(f"  {number:6,}  {matter}")
    typer.echo(f"each of them: {out}")


def _lines(path: Path, width: int | None, rejects: RejectsFile) -> Iterator[Line]:
    sheet = next((name for name in sheet_names(path) if "oc3" in name.lower()), None)
    with open_table(path, Layout(sheet=sheet)) as table:
        places = _places(table)
        for row in table.rows:
            told = Rejected(row.number, "", "", row.reason) if isinstance(row, Broken) else _line(row, places, width)
            if isinstance(told, Rejected):
                rejects.add(path.name, told)
            else:
                yield told


def _places(table: Table) -> dict[str, int]:
    found = {name: place_of(table, *headings) for name, headings in _COLUMNS.items()}
    if lacking := [name for name, place in found.items() if place is None]:
        raise UserError(f"{table.path}: has no column {lacking[0]}: table OC3 has {', '.join(_COLUMNS)}")
    return {name: place for name, place in found.items() if place is not None}


def _line(row: Row, places: dict[str, int], width: int | None) -> Line | Rejected:
    column = "CHILD"
    try:
        child = cells.case_id(row.cells[places["CHILD"]], width)
        column = "DOB"
        born_on = Dates(("dd/mm/yyyy", "yyyy-mm-dd")).day(row.cells[places["DOB"]])
        codes = list[str]()
        for column in ("IN_TOUCH", "ACTIV", "ACCOM"):
            codes += [cells.as_text(row.cells[places[column]]).replace(" ", "").upper()]
    except Unreadable as error:
        return Rejected(row.number, column, str(row.cells[places[column]]), str(error))
    return Line(row.number, child, born_on, *codes) if child else Rejected(row.number, "CHILD", "", "is missing")


def _by_case_id(material: Material, keys: Path | None) -> dict[str, Person]:
    known = {ref: person for ref, person in material.world.people.items() if person.facts is not None or person.registers}
    if material.names:
        return {material.names[ref]: person for ref, person in known.items()}
    try:
        of_council = {council: load_key(keys_dir(keys), council) for council in {council_of(ref) for ref in known}}
        return {of_council[council_of(ref)].decode(ref, "person"): person for ref, person in known.items()}
    except RefError as error:
        raise UserError(str(error)) from None


def _write(path: Path, findings: list[Finding]) -> None:
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            to = csv.writer(file)
            to.writerow(["child", "matter", "detail"])
            to.writerows([harmless(each.child), each.matter, each.detail] for each in findings)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
