"""The command `keepintouch`: thin over the packages. Mistakes a user can make are one line and exit status 2."""
from __future__ import annotations

import sys

import typer

from keepintouch.runtime.errors import UserError

from . import dead_letters, keys, policies, topics
from .demo import demo, up
from .erase import erase
from .evaluate import evaluate_file
from .simulate import simulate

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _keepintouch() -> None:
    """Flags care leavers whose contact is stale, text-only or only with strangers, and tells their personal advisers."""


app.command("evaluate")(evaluate_file)
app.add_typer(policies.app, name="policies")
app.add_typer(topics.app, name="topics")
app.add_typer(keys.app, name="keys")
app.command("who")(keys.who)
app.command("erase")(erase)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("simulate")(simulate)
app.command("demo")(demo)
app.command("up")(up)


def main() -> None:
    """Entry point."""
    try:
        app()
    except UserError as error:
        print(f"keepintouch: {error}", file=sys.stderr)
        sys.exit(2)
