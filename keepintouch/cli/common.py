"""What several commands ask for: the councils file, instants, a yes; and what none of them may do."""
from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.places import deploy_file
from schemas.common import Instant

COUNCILS_FILE = deploy_file("councils.yaml")

CouncilsFile = Annotated[Path, typer.Option(
    "--councils", envvar="COUNCILS_FILE", show_default="deploy/councils.yaml", help="The councils file.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal to ask at.")]

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def instant(option: str, text: str) -> datetime:
    """Read an instant as it is written in messages; UserError that names the option otherwise."""
    try:
        return _INSTANT.validate_python(text)
    except ValidationError:
        raise UserError(f"{option} {text!r} is no instant: write it with an offset, as in 2026-03-02T09:00:00Z") from None


def moment(option: str, text: str, now: datetime) -> datetime:
    """Read an instant, or how long before now (30min, 2d) it was; UserError that names the option otherwise."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return instant(option, text)
    except UserError:
        raise UserError(f"{option} {text!r} is neither an instant (2026-03-02T09:00:00Z) nor a duration (30min, 2d)") from None


def spare(read: Iterable[Path | None], written: Iterable[Path | None]) -> None:
    """Raise UserError if a file that is to be written is one of those to be read, which would be lost. None: not given."""
    there = [path for path in read if path is not None and path.exists()]
    for path in written:
        if path is not None and path.exists() and any(path.samefile(each) for each in there):
            raise UserError(f"{path} is one of the files to be read, and would be lost: give another place to write to")


def need_a_terminal(yes: bool) -> None:
    """Raise UserError if there is something to ask and nobody to ask it."""
    if not yes and not sys.stdin.isatty():
        raise UserError("there is no terminal to ask at: add --yes if it is meant")


def ask(question: str, yes: bool) -> None:
    """Ask, unless the answer was given; anything but a yes ends the command with exit status 1."""
    if not yes and not typer.confirm(question, err=True):
        typer.echo("nothing was done", err=True)
        raise typer.Exit(1)
