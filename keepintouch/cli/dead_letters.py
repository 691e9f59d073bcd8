"""`keepintouch dead-letters`: what was not accepted, why, by whom it was sent; and sending it again once that is mended."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from keepintouch.councils import load_councils
from keepintouch.dead_letters import REPLAYED, Group, Insist, Letter, Which, grouped, plan
from keepintouch.replaying import letter_at, read_letters, replayed, send_again
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import DEAD_LETTERS
from keepintouch.sources import Labels
from schemas.dead_letters import REASONS

from .common import COUNCILS_FILE, CouncilsFile, Yes, ask, moment, need_a_terminal

app = typer.Typer(name="dead-letters", help="What was not accepted: list it, look at it, send it again.", no_args_is_help=True)

_Reasons = Annotated[list[str] | None, typer.Option(
    "--reason", metavar="REASON", help=f"Only what was refused for this: {', '.join(REASONS)}. May be given again.")]
_Sources = Annotated[list[str] | None, typer.Option(
    "--source", metavar="SOURCE", help="Only from this sender, as the list calls it or as it calls itself; ? for one that cannot "
    "be read. May be given again.")]
_Since = Annotated[str | None, typer.Option(
    metavar="WHEN", help="Only what was refused since then: an instant, or how long ago (30min, 2d).")]

_POSITION = re.compile(r"(\d{1,6}):(\d{1,18})")
_MOST_SHOWN = 8


@app.command("list")
def list_(reason: _Reasons = None, source: _Sources = None, since: _Since = None,
          as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
          positions: Annotated[bool, typer.Option(
              "--positions", help="Also where they lie, for 'show'; the table has the newest, JSON has all.")] = False,
          councils: CouncilsFile = COUNCILS_FILE) -> None:
    """Count what was refused, by topic, reason and sender, with the first and last time and what is wrong with the last.

    A sender that cannot be read is '?'. Keys and values are not shown, and what may be a ref in a sender's name is 'hidden'.
    """
    which = _which(reason, source, since, councils)
    groups = grouped(_letters(load_settings(KafkaSettings), which), which)
    if as_json:
        for key, group in groups.items():
            typer.echo(orjson.dumps(_line(key, group, positions)))
    elif groups:
        console = Console()
        if not console.is_terminal:
            console.width = 400   # one line a group for grep and cut
        console.print(_table(groups, positions))
    else:
        typer.echo("no dead letters" + (" that fit" if reason or source or since else ""))


@app.command()
def show(position: Annotated[str | None, typer.Argument(help="PARTITION:OFFSET, as 'list --positions' gives it.")] = None,
         reason: _Reasons = None, source: _Sources = None, since: _Since = None,
         limit: Annotated[int, typer.Option(min=1, help="How many, the newest first, without a position.")] = 10,
         value: Annotated[bool, typer.Option(
             "--value", help="Also its key, its own headers and its value, which may hold personal data.")] = False,
         councils: CouncilsFile = COUNCILS_FILE) -> None:
    """Print what is said about single dead letters: by position, or those of a reason."""
    if position is not None and (reason or source or since):
        raise UserError("give a position, or --reason, --source and --since, not both")
    which = _which(reason, source, since, councils)
    if position is not None:
        letters = [letter_at(load_settings(KafkaSettings), *_read_position(position))]
    elif reason:
        found = _letters(load_settings(KafkaSettings), which)
        letters = sorted(found, key=lambda each: each.about.first_failed_at, reverse=True)[:limit]
    else:
        raise UserError("say which: PARTITION:OFFSET (see keepintouch dead-letters list --positions), or --reason REASON")
    if value:
        typer.echo("keepintouch: what follows may hold personal data: do not keep it, and do not send it on", err=True)
    typer.echo("\n\n".join("\n".join(_described(letter, which, value)) for letter in letters) or "no dead letters that fit")


@app.command()
def replay(reason: _Reasons = None, source: _Sources = None, since: _Since = None,
           dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
           fix_key: Annotated[bool, typer.Option(
               "--fix-key", help="Send what was refused as key_mismatch under the key that its value names.")] = False,
           anyway: Annotated[bool, typer.Option("--anyway", help="Send also what would be refused again.")] = False,
           again: Annotated[bool, typer.Option("--again", help="Send also what was sent again before.")] = False,
           yes: Yes = False, councils: CouncilsFile = COUNCILS_FILE) -> None:
    """Send dead letters back to the topic they came from, each as it was, with a header 'replayed_from'.

    Each is judged first, with the councils file of now: what would be refused again is counted and left. What was sent again
    before is known by that header and left, too. Records of compacted topics are never sent: they could stand for newer ones.
    """
    if not reason:
        raise UserError("say which: --reason REASON (see keepintouch dead-letters list); it may be given again")
    if not dry_run:
        need_a_terminal(yes)
    settings, now = load_settings(KafkaSettings), clock_from_env().now()
    which, slugs = _which(reason, source, since, councils), load_councils(councils).slugs
    letters = list(_letters(settings, which))
    before = set[str]() if again else _sent_before(settings, letters)
    insist = [each for each, given in ((Insist.FIX_KEY, fix_key), (Insist.ANYWAY, anyway)) if given]
    found = plan(letters, before, now, slugs, insist)
    if found.replays and not dry_run:
        ask(f"send {len(found.replays)} records again?", yes)
        with _progress("sending", len(found.replays)) as tell:
            sent = count(1)
            send_again(settings, found.replays, lambda: tell(next(sent), len(found.replays)))
    for why, left in sorted(found.left.items()):
        typer.echo(f"left {left}: {why}")
    typer.echo(f"{len(found.replays)} {'would be ' if dry_run else ''}sent again, {found.left.total()} left")


def _which(reasons: list[str] | None, sources: list[str] | None, since: str | None, councils: Path) -> Which:
    if unknown := sorted(set(reasons or ()).difference(REASONS)):
        raise UserError(f"--reason {unknown[0]!r} is none: there are {', '.join(REASONS)}")
    after = None if since is None else moment("--since", since, clock_from_env().now())
    return Which(Labels(load_councils(councils).slugs), frozenset(reasons or ()), frozenset(sources or ()), after)


def _letters(settings: KafkaSettings, which: Which) -> Iterator[Letter]:
    """Those that are meant, of all there are."""
    strangers = 0
    with _progress("reading dead letters") as tell:
        for number, letter in enumerate(read_letters(settings), 1):
            if letter is None:
                strangers += 1
            elif which.takes(letter):
                yield letter
            tell(number, 0)
    if strangers:
        typer.echo(f"passed over on {DEAD_LETTERS}, for they are no dead letters: {strangers}", err=True)


def _sent_before(settings: KafkaSettings, letters: Iterable[Letter]) -> set[str]:
    """Positions of letters that were sent again, to whichever topic."""
    oldest: dict[str, int] = {}
    for letter in letters:
        if (topic := letter.about.topic) in REPLAYED:
            oldest[topic] = min(letter.written_ms, oldest.get(topic, letter.written_ms))
    found = set[str]()
    for topic, since_ms in oldest.items():
        with _progress(f"looking for what was sent again to {topic}") as tell:
            found |= replayed(settings, topic, since_ms, tell)
    return found


@contextmanager
def _progress(what: str, total: int = 0) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal; gives what is told how many are done, and of how many."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total or None)
        yield lambda done, of: progress.update(task, completed=done, total=of or None)


def _table(groups: Mapping[tuple[str, str, str], Group], positions: bool) -> Table:
    table = Table("topic", "reason", "source", "count", "first", "last", "detail", box=None, pad_edge=False)
    if positions:
        table.add_column("positions")
    for key, group in groups.items():
        cells = [*key, str(group.count), _time(group.first), _time(group.last), group.detail]
        if positions:
            more = len(group.positions) - _MOST_SHOWN
            cells.append(" ".join(group.positions[-_MOST_SHOWN:]) + (f" (and {more} more)" if more > 0 else ""))
        table.add_row(*(Text(_plain(cell)) for cell in cells))
    return table


def _line(key: tuple[str, str, str], group: Group, positions: bool) -> dict[str, object]:
    line: dict[str, object] = dict(zip(("topic", "reason", "source"), key, strict=True))
    line |= {"count": group.count, "first": group.first, "last": group.last, "detail": group.detail}
    return line | ({"positions": group.positions} if positions else {})


def _described(letter: Letter, which: Which, value: bool) -> Iterator[str]:
    """What is said about a letter, and, if asked for, all of it."""
    yield f"position: {letter.position}"
    for name, said in letter.about.model_dump(mode="json").items():
        yield f"{name}: {_plain(str(said))}"
    yield f"source: {which.label(letter)}"
    if not value:
        names = ", ".join(_plain(name) for name, _ in letter.headers) or "none"
        yield f"its own headers: {names}"
        yield f"value: {'none' if letter.value is None else f'{len(letter.value)} bytes'} (--value shows it)"
        return
    yield f"key: {_shown(letter.key)}"
    for name, said in letter.headers:
        yield f"its own header {_plain(name)}: {_shown(said)}"
    yield f"value: {_shown(letter.value)}"


def _shown(raw: bytes | None) -> str:
    return "none" if raw is None else _plain(raw.decode(errors="backslashreplace"))


def _plain(text: str) -> str:
    """Text that does nothing to a terminal but stand there."""
    return "".join(each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _read_position(text: str) -> tuple[int, int]:
    found = _POSITION.fullmatch(text)
    if found is None:
        raise UserError(f"{text!r} is no position: one is PARTITION:OFFSET, such as 0:17")
    return int(found[1]), int(found[2])
