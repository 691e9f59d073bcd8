"""`keepintouch keys new` and `keepintouch who`: the council's key, and what it alone can say."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from keepintouch import refs
from keepintouch.runtime.errors import UserError

app = typer.Typer(help="A council's key: with it case ids become refs, and refs case ids again.", no_args_is_help=True)

KeysDir = Annotated[Path | None, typer.Option(
    "--keys", envvar="COUNCIL_KEYS_DIR", show_default="var/keys", help="Folder with one file <council>.key each.")]


@app.callback()
def _keys() -> None:
    """A council's key: with it case ids become refs, and refs case ids again."""


@app.command("new")
def new(council: Annotated[str, typer.Argument(help="Slug of the council, such as lancashire.")], keys: KeysDir = None) -> None:
    """Make a council's key: 64 random bytes in a file that only you may read. A key that is there is never overwritten.

    Keep a copy in a safe place: without it no ref made with it can ever be turned back.
    """
    try:
        typer.echo(refs.new_key(keys_dir(keys), council))
    except refs.RefError as error:
        raise UserError(str(error)) from None


def who(ref: Annotated[str, typer.Argument(help="A person's or worker's ref, such as lancashire:3q2-7w…")],
        keys: KeysDir = None) -> None:
    """Print the case system's id of a ref, if the key of its council is at hand."""
    try:
        typer.echo(refs.load_key(keys_dir(keys), refs.council_of(ref)).who(ref)[1])
    except refs.RefError as error:
        raise UserError(str(error)) from None


def keys_dir(given: Path | None = None) -> Path:
    """The folder of keys: as given, else COUNCIL_KEYS_DIR, else var/keys."""
    return given or Path(os.environ.get("COUNCIL_KEYS_DIR") or "var/keys")
