"""The command `keepintouch`: thin over the packages. Mistakes a user can make are one line and exit status 2."""
from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import NoReturn

import typer

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.settings import take_secrets

from . import access, alerts, database, dead_letters, keys, notifications, policies, reconcile, sources, topics
from .audit import audit
from .check import check
from .demo import demo, up
from .erase import erase
from .evaluate import evaluate_file
from .import_files import import_files
from .map import map_file, template
from .merge import merge
from .observe import observe
from .simulate import simulate
from .smoke import smoke

_EXTRAS = {"alembic": "intake", "httpx": "board", "kafka": "kafka", "sqlalchemy": "intake"}
"""Packages that some commands need, and an extra of ours that has each."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _keepintouch() -> None:
    """Flags care leavers whose contact is stale, text-only or only with strangers, and tells their personal advisers."""


app.command("audit")(audit)
app.command("check")(check)
app.command("evaluate")(evaluate_file)
app.command("import")(import_files)
app.command("map")(map_file)
app.command("template")(template)
app.add_typer(policies.app, name="policies")
app.add_typer(topics.app, name="topics")
app.add_typer(access.app, name="access")
app.add_typer(database.app, name="database")
app.add_typer(keys.app, name="keys")
app.add_typer(sources.app, name="sources")
app.command("who")(keys.who)
app.add_typer(reconcile.app, name="reconcile")
app.command("merge")(merge)
app.command("erase")(erase)
app.add_typer(alerts.app, name="alerts")
app.add_typer(notifications.app, name="notifications")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("simulate")(simulate)
app.command("demo")(demo)
app.command("up")(up)
app.command("observe")(observe)
app.command("smoke")(smoke)


def main() -> None:
    """Entry point."""
    if isinstance(sys.stdout, TextIOWrapper):   # a file is UTF-8, as it is read again; the code pages of Windows lack letters
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
    try:
        take_secrets()   # before options are read: some have variables for their default
        app()
    except UserError as error:
        _mistake(str(error))
    except ModuleNotFoundError as error:   # the base installation has what `check` and `evaluate` need
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        _mistake(f"this needs more packages ({package} is missing): install keep-in-touch[{_EXTRAS[package]}]")
    except OSError as error:   # a full disk, a file that nobody may read, where nobody has said it in better words
        if error.strerror is None:
            raise
        _mistake(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)


def _mistake(line: str) -> NoReturn:
    print(f"keepintouch: {line}", file=sys.stderr)
    sys.exit(2)
