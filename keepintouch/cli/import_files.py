"""`keepintouch import`: files of a council into Kafka, once or every night from a folder."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from keepintouch.councils import load_councils
from keepintouch.files.fields import KINDS
from keepintouch.files.formats import FORMATS, Part, mapped, widened
from keepintouch.files.mapping import Mapping, default_mapping, load_mapping
from keepintouch.files.tables import Table
from keepintouch.publishing import NotTaken, sending
from keepintouch.refs import RefError, Refs, load_key
from keepintouch.runtime.clock import Clock, clock_from_env
from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, TopicMissing
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import exit_on_signals
from keepintouch.staff import read_staff
from schemas.common import Day

from .common import COUNCILS_FILE, CouncilsFile, spare
from .keys import KeysDir, keys_dir
from .map import known_kind

if TYPE_CHECKING:
    from services.intake.imports_files import Imported, Importer, Order

_DAY: TypeAdapter[date] = TypeAdapter(Day)
_MOST_REASONS = 5
_ORDER = ("staff", "people", "visits", "contacts")
"""Staff first: roles come from them; people next: so do advisers."""

Opens = Callable[[Path], Sequence[Part]]
"""How the parts of a file are read."""


def import_files(
    files: Annotated[list[Path] | None, typer.Argument(help="CSV files or workbooks (XLSX); for ssd its folder.")] = None,
    *,
    council: Annotated[str, typer.Option(help="Slug of the council whose files they are.")],
    mapping: Annotated[list[Path] | None, typer.Option(
        help="YAML file that says how they are read; see 'keepintouch map'. With --watch it may be given again.")] = None,
    kind: Annotated[str | None, typer.Option(
        metavar="|".join(KINDS), help="Without a mapping: they have the headings of 'keepintouch template'.")] = None,
    format: Annotated[str | None, typer.Option(
        "--format", metavar="|".join(FORMATS), help="They are of a format that is known.")] = None,
    width: Annotated[int | None, typer.Option(
        min=1, max=32, help="Without a mapping: how many digits a person's id has, where a spreadsheet took zeros off.")] = None,
    url: Annotated[str | None, typer.Option(
        envvar="SSD_DATABASE_URL", help="Instead of files: the address, as SQLAlchemy has it, of a database with ssd.")] = None,
    watch: Annotated[Path | None, typer.Option(help="A folder: import every file that is dropped there, until stopped.")] = None,
    once: Annotated[bool, typer.Option(help="With --watch: stop once nothing is left there.")] = False,
    settle: Annotated[str, typer.Option(metavar="DURATION", help="With --watch: how long a file must not have changed.")] = "10s",
    complete_through: Annotated[str | None, typer.Option(
        metavar="DAY", help="The last day that is in completely; default: the day before the file was written.")] = None,
    first: Annotated[str | None, typer.Option(
        "--from", metavar="DAY", help="First day that the file covers; default: that of its first record.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="DAY", help="Last day that the file covers; likewise.")] = None,
    void_anyway: Annotated[bool, typer.Option(help="Void what has vanished from the file, however much that is.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go; default: FILE.rejects.csv beside it.")] = None,
    keys: KeysDir = None,
    councils: CouncilsFile = COUNCILS_FILE,
    database: Annotated[str | None, typer.Option(
        envvar="INTAKE_DATABASE_URL", show_default="sqlite:///var/intake.db", help="Where it is kept what was imported.")] = None,
) -> None:
    """Import exports of a case system: what is new or has changed becomes events, and what has vanished from them is voided.

    Running it again with the same file changes nothing. Ids become refs with the council's key (keepintouch keys new); names,
    addresses and notes are never taken. Exit status 1: something waits for your word.
    """
    if sum((bool(files), watch is not None, url is not None)) != 1:
        raise UserError("give either files, or a folder with --watch, or a database with --url" + (
            "; SSD_DATABASE_URL, or --url, is such a database" if url is not None else ""))
    if rejects is not None and (watch is not None or len(files or []) > 1):
        raise UserError("--rejects is the list of one file: leave it out, and each file has its own beside it")
    spare([*(files or []), *(mapping or [])], [rejects])
    if width is not None and mapping:
        raise UserError("--width is for files without a mapping: say `widths` in it")
    opens = _opens(mapping or [], kind, "ssd" if url is not None else format, width, watching=watch is not None)
    with _importer(council, councils, keys, database) as importing:
        order = importing.order(complete_through, first, last, void_anyway=void_anyway, rejects=rejects)
        if url is not None:
            importing.database(url, width, order)
        elif watch is not None:
            importing.watch(watch, opens, order, _seconds(settle), once=once)
        elif [done for path in files or [] for done in importing.one(path, opens(path), order) if _doubt(done)]:
            raise typer.Exit(1)


def _opens(mappings: Sequence[Path], kind: str | None, format_: str | None, width: int | None, *, watching: bool) -> Opens:
    """How files are read, by what was said."""
    if sum((bool(mappings), kind is not None, format_ is not None)) != 1:
        raise UserError("say how they are read: --mapping FILE, or --kind, or --format")
    if format_ is not None:
        if format_ not in FORMATS:
            raise UserError(f"--format {format_!r} is not known: give one of {', '.join(FORMATS)}")
        if watching and format_ == "ssd":
            raise UserError("--watch takes one file at a time, and ssd is a folder of them: let a timer run --format ssd FOLDER")
        return lambda path: widened(FORMATS[format_](path), width)
    if kind is not None:
        chosen = default_mapping(known_kind(kind))
        return lambda path: widened([mapped(path, chosen, lenient=True)], width)
    loaded = sorted(map(load_mapping, mappings), key=lambda each: _ORDER.index(each.kind))
    if watching:
        return lambda path: [mapped(path, _of_name(path, loaded))]
    if len(loaded) > 1:
        raise UserError("give one mapping: only with --watch may there be several")
    return lambda path: [mapped(path, loaded[0])]


def _of_name(path: Path, mappings: Sequence[Mapping]) -> Mapping:
    for each in mappings:
        if fnmatch(path.name.lower(), (each.files or f"{each.feed}*").lower()):
            return each
    raise UserError(f"{path.name}: no mapping is for a file of this name (`files` in the mapping says which)")


@dataclass(frozen=True, slots=True)
class _Importing:
    """All that an import needs, open."""

    importer: Importer
    clock: Clock
    progress: Progress

    def order(self, complete_through: str | None, first: str | None, last: str | None, *, void_anyway: bool,
              rejects: Path | None) -> Order:
        """How files are to be imported."""
        from services.intake.imports import Voiding, Window
        from services.intake.imports_files import Order

        window = Window(_day("--from", first), _day("--until", last)) if first or last else None
        if window is not None and window.first is not None and window.last is not None and window.first > window.last:
            raise UserError(f"--from {first} lies after --until {last}: give the first and the last day that the file covers")
        return Order(_day("--complete-through", complete_through), window, Voiding.ANYWAY if void_anyway else Voiding.UNLESS_MANY,
                     rejects)

    def one(self, path: Path, parts: Sequence[Part], order: Order) -> list[Imported]:
        """Import a file and say what became of it."""
        with self.progress:
            found = self.importer.file(path, parts, self.clock.now(), order)
        for task in self.progress.task_ids:
            self.progress.remove_task(task)
        for done in found:
            for line in _summary(path, done):
                typer.echo(line)
        return found

    def database(self, url: str, width: int | None, order: Order) -> None:
        """Import what a database has of the Standard Safeguarding Dataset; lists go into this folder."""
        from services.intake.imports_ssd import ssd_database

        with ssd_database(url) as parts:
            self.one(Path("ssd"), widened(parts, width), order)

    def watch(self, root: Path, opens: Opens, order: Order, settle: float, *, once: bool) -> None:
        """Import what is dropped into a folder, until a signal comes, or with `once` until it is empty."""
        try:
            from services.intake.imports_watch import watching
        except ImportError:   # the lock that keeps two from one folder
            raise UserError("--watch works on Linux and macOS: on Windows let the task scheduler run this command with the files "
                            "of each night") from None

        with exit_on_signals(), watching(root, settle) as folder:
            for taken in folder.left_over():
                self._dropped(folder, taken, opens, order)
            while True:
                if whole := folder.whole(time.monotonic()):   # one of them: meanwhile another may go, or be written anew
                    first = min(whole, key=lambda each: _place(each, opens))
                    self._dropped(folder, folder.take(first, self.clock.now()), opens, order)
                elif once and not folder.waiting:
                    return
                else:
                    time.sleep(min(1.0, max(0.05, settle / 4)))

    def _dropped(self, folder: object, taken: Path, opens: Opens, order: Order) -> None:
        from services.intake.imports_watch import DropFolder

        assert isinstance(folder, DropFolder)
        try:
            doubts = [doubt for done in self.one(taken, opens(taken), order) if (doubt := _doubt(done))]
        except (BrokerUnreachable, NotTaken, TopicMissing):   # not the file's fault: it stays until we are started again
            raise
        except UserError as error:
            typer.echo(f"keepintouch: {error}", err=True)
            typer.echo(f"moved to {folder.failed(taken, str(error))}", err=True)
        else:
            typer.echo(f"moved to {folder.failed(taken, '; '.join(doubts)) if doubts else folder.done(taken)}")


def _doubt(done: Imported) -> str:
    """What waits for a person's word; empty: nothing."""
    if done.outcome.held:
        return (f"{done.outcome.held} records of feed {done.feed} have vanished and were not voided, because "
                f"{done.outcome.held_because}: import it by hand, with --void-anyway if it is meant")
    return f"feed {done.feed} was not said to be complete, because {done.outcome.incomplete_because}" \
        if done.outcome.incomplete_because else ""


def _place(path: Path, opens: Opens) -> tuple[int, str]:
    try:
        return _ORDER.index(opens(path)[0].mapping.kind), path.name
    except UserError:
        return len(_ORDER), path.name


@contextlib.contextmanager
def _importer(council: str, councils: Path, keys: Path | None, database: str | None) -> Iterator[_Importing]:
    try:
        from sqlalchemy.exc import DBAPIError

        from services.intake.database import open_database
        from services.intake.erased_elsewhere import note_erasures
        from services.intake.imports_files import Importer
        from services.intake.settings import IntakeSettings
        from services.intake.topic import made_anew, topic_id
    except ImportError as error:
        raise UserError(f"importing needs more packages ({error.name} is missing): install keep-in-touch[intake]") from None
    if council not in load_councils(councils).councils:
        raise UserError(f"{councils} has no council {council}: add it there first")
    names = _key(council, keys)
    settings = load_settings(KafkaSettings)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rows]:,} rows"),
               TimeElapsedColumn())
    with contextlib.closing(open_database(database or load_settings(IntakeSettings).intake_database_url)) as opened, \
            sending(settings) as sender:
        with opened.write() as connection:
            if made_anew(connection, topic_id(settings)):
                typer.echo("the events topic is not the one that was written to before: everything is published again", err=True)
        console = Console(stderr=True)
        bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)   # or empty lines every night

        def progress(table: Table, rows: int) -> None:
            task = bar.task_ids[0] if bar.task_ids else bar.add_task(table.path.name, total=1.0, rows=0)
            bar.update(task, completed=table.progress(), rows=rows)

        importer = Importer(opened, sender, names, lambda: read_staff(settings), progress,
                            lambda now: note_erasures(settings, opened, now))
        try:
            yield _Importing(importer, clock_from_env(), bar)
        except DBAPIError as error:
            raise UserError("the database of INTAKE_DATABASE_URL went away, or cannot be written "
                            f"({type(error.orig).__name__}): put that right, then run it again; nothing is lost") from None


def _key(council: str, keys: Path | None) -> Refs:
    try:
        return load_key(keys_dir(keys), council)
    except RefError as error:
        raise UserError(f"{error}; 'keepintouch keys new {council}' makes one") from None


def _summary(path: Path, done: Imported) -> Iterator[str]:
    counts, outcome = done.outcome.counts, done.outcome
    rows = sum(number for what, number in counts.items() if what != "voided")
    yield f"{path.name} ({done.kind}), feed {done.feed}: {rows:,} rows"
    yield "  " + ", ".join(f"{what} {counts[name]:,}" for name, what in (
        ("published", "published"), ("unchanged", "unchanged"), ("repeated", "said twice"), ("skipped", "left out"),
        ("erased", "of people who were erased"),
        ("rejected", "rejected"), ("voided", "voided")) if counts[name] or name == "published")
    if outcome.alike:
        yield (f"  said twice {outcome.alike:,}: without ids of their own, records of one person, worker, time and channel are "
               "taken for one")
    for (column, reason), number in done.reasons.most_common(_MOST_REASONS):
        yield f"  rejected {number:,}: {column + ' ' if column else ''}{reason}"
    if done.rejects is not None:
        yield f"  every rejected row with its reason: {done.rejects}"
    if done.gone is not None:
        yield f"  in an earlier file and not in this one: {len(outcome.gone):,}, listed in {done.gone}"
    if outcome.held:
        yield (f"  NOT voided though gone from the file: {outcome.held:,} records, because {outcome.held_because}. If they are "
               "meant to go: again with --void-anyway")
    if outcome.complete_through is not None:
        yield f"  complete through {outcome.complete_through}"
    elif outcome.incomplete_because:
        yield f"  NOT said to be complete, because {outcome.incomplete_because}"


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else _DAY.validate_python(text)
    except ValidationError:
        raise UserError(f"{option} {text!r} is no day: write it as 2026-03-01") from None


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        raise UserError(f"--settle {text!r} is no duration: write 10s or 1min") from None
