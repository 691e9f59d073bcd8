"""`keepintouch check`: hold a policy against a council's own files; no Kafka, no server, no key."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from keepintouch.calendar import london_day, london_midnight
from keepintouch.check.analysis import Report, analyse
from keepintouch.check.comparing import Comparison, compare
from keepintouch.check.disclosure import INSIDE, Disclosure, published
from keepintouch.check.page import page
from keepintouch.check.reading import Files, Tick, read
from keepintouch.check.screen import show
from keepintouch.check.tables import NAMES, write_tables
from keepintouch.check.worklist import check_case_link, write_worklists
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import SHIPPED, PolicyError, load_policy

from .common import spare

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class _Outputs:
    html: Path | None
    csv: Path | None
    worklist: Path | None
    case_link: str | None


def check(
    *,
    people: Annotated[Path | None, typer.Option(help="CSV or workbook of the people.")] = None,
    contacts: Annotated[Path | None, typer.Option(help="CSV or workbook of contacts or case notes.")] = None,
    visits: Annotated[Path | None, typer.Option(help="CSV or workbook of visits, where they are kept apart.")] = None,
    staff: Annotated[Path | None, typer.Option(help="CSV or workbook of staff: tells in what role a worker acted.")] = None,
    annex_a: Annotated[Path | None, typer.Option(help="Ofsted's Annex A workbook: its list 9 has the people.")] = None,
    ssd: Annotated[Path | None, typer.Option(help="Folder of the Standard Safeguarding Dataset: CSV files ssd_….")] = None,
    events: Annotated[Path | None, typer.Option(help="CloudEvents, one JSON a line, instead of all of these.")] = None,
    mapping: Annotated[list[Path] | None, typer.Option(
        help="What the columns of a file mean ('keepintouch map' writes it). Again for another kind of file.")] = None,
    width: Annotated[int | None, typer.Option(
        min=1, max=32, help="How many digits a person's id has, where a spreadsheet took zeros off; for files without a mapping.")
    ] = None,
    policy: Annotated[str, typer.Option(help="Id of a policy (see 'keepintouch policies list'), or a YAML file.")],
    as_of: Annotated[str, typer.Option(help="The day of the report, 2026-03-02; left out: today.")] = "",
    reported: Annotated[str, typer.Option(
        help="Count 'in touch' as this policy does: the figure that is reported, beside what the other finds.")] = "",
    compare_with: Annotated[str, typer.Option("--compare", help="Another policy: whom it would flag, and how often.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write the report here: one page, complete in itself.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write everything as tables into this folder.")] = None,
    worklist: Annotated[Path | None, typer.Option(help="Write a page for each adviser into this folder.")] = None,
    case_link: Annotated[str, typer.Option(help="Address of a case, with {id} in it: for the worklists.")] = "",
    publish: Annotated[bool, typer.Option(
        "--publish", help="Pseudonyms, months for days, and no count under 5 or that leaves fewer than 5 over.")] = False,
    policies_dir: Annotated[Path, typer.Option(envvar="POLICIES_DIR", show_default="the shipped ones",
                                               help="Folder in which policies are looked up by id.")] = SHIPPED,
) -> None:
    """Say from a council's own files who is in touch, in meaningful contact and seen, and who is overdue by which rule.

    Needs no Kafka, no server and no key, and nothing leaves this machine. Rows that cannot be taken in are listed with their
    reason; the exit status is 0 all the same.
    """
    outputs = _Outputs(html, csv, worklist, check_case_link(case_link) if case_link else None)
    if publish and worklist is not None:
        raise UserError("--worklist is for the advisers themselves: leave out --publish, or ask for it in a run of its own")
    spare((people, contacts, visits, staff, annex_a, events, *(mapping or ())),
          (html, *(() if csv is None else (csv / name for name in NAMES))))
    now = _now(as_of)
    held, headline = _policy(policy, policies_dir), _policy(reported, policies_dir) if reported else None
    other = _policy(compare_with, policies_dir) if compare_with else None
    files = Files(people, contacts, visits, staff, annex_a, events, tuple(mapping or ()), ssd, width)
    today = london_day(now)
    with _progress() as progress:
        material = read(files, now, progress.reading)
        report = analyse(material, held, today, headline, progress.stage("evaluating", len(material.world.people)))
        comparison = None if other is None else compare(
            report, other, progress.stage("comparing", 2 * report.people))
    disclosure = published(material.world.people) if publish else INSIDE
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    show(console, report, disclosure, comparison)
    for line in _write(outputs, report, disclosure, comparison):
        console.print(Text(f"→ {line}"))


def _write(outputs: _Outputs, report: Report, disclosure: Disclosure, comparison: Comparison | None) -> Iterator[str]:
    if outputs.html is not None:
        try:
            outputs.html.write_text(page(report, disclosure, comparison), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{outputs.html}: cannot be written ({error.strerror or type(error).__name__})") from None
        yield f"{outputs.html}: the report, for a browser or paper"
    if outputs.csv is not None:
        written = write_tables(outputs.csv, report, disclosure)
        yield f"{outputs.csv}: {', '.join(path.name for path in written)}"
    if outputs.worklist is not None:
        lists = write_worklists(outputs.worklist, report, outputs.case_link)
        yield f"{outputs.worklist}: {len(lists)} worklists, one for each adviser"


def _now(as_of: str) -> datetime:
    """The last instant of a London day; now, where none is given."""
    if not as_of:
        return clock_from_env().now()
    try:
        day = date.fromisoformat(as_of)
        return london_midnight(day + timedelta(days=1)) - timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise UserError(f"--as-of {as_of!r} is no day: write it as in 2026-03-02") from None


def _policy(named: str, folder: Path) -> Policy:
    try:
        return load_policy(named, folder)
    except PolicyError as error:
        raise UserError(str(error)) from None


class _Shown:
    """Bars on standard error for what takes its time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, what: str, total: float) -> Tick:
        """A bar of its own; what is told of it must be cheap, for it is told for everybody."""
        task = self._progress.add_task(what, total=total or 1)
        return lambda count: self._progress.advance(task, count)

    def reading(self, file: str, total: float) -> Tick:
        """A bar for a file."""
        return self.stage(f"reading {file}", total)


@contextmanager
def _progress() -> Iterator[_Shown]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield _Shown(progress)


