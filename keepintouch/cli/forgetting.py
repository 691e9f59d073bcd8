"""What importer and gateway noted about a person, forgotten too: for `keepintouch erase` and `merge`."""
from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from keepintouch.runtime.errors import UserError

USUAL = Path("var/intake.db")
"""Where the database of importer and gateway is if nobody has said otherwise."""

IntakeDatabase = Annotated[str | None, typer.Option(
    "--database", envvar="INTAKE_DATABASE_URL", show_default="sqlite:///var/intake.db, if it is there",
    help="Where it is kept what was imported, and sent over HTTP: there the person is forgotten too.")]


def forget_here(url: str | None, ref: str, at: datetime, now: datetime) -> bool:
    """Forget what was noted about a person up to an instant; whether there is such a database. Raises UserError."""
    if url is None and not USUAL.exists():
        return False
    try:
        from services.intake.database import open_database
        from services.intake.erasing import erase
    except ImportError as error:
        raise UserError(f"INTAKE_DATABASE_URL needs more packages ({error.name} is missing): install "
                        "keep-in-touch[intake]") from None
    with contextlib.closing(open_database(url or f"sqlite:///{USUAL}")) as opened, opened.write() as connection:
        erase(connection, ref, at, now)
    return True
