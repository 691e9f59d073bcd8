"""`keepintouch sources`: who may send to the gateway. Of an API key only its hash is kept."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from keepintouch.councils import load_councils
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.settings import load_settings

from .common import COUNCILS_FILE, CouncilsFile

if TYPE_CHECKING:
    from keepintouch.runtime.database import Database

app = typer.Typer(name="sources", help="Who may send events and staff over HTTP: API keys, each for one council.",
                  no_args_is_help=True)

Council = Annotated[str, typer.Argument(help="Slug of the council, such as lancashire.")]
_DatabaseUrl = Annotated[str | None, typer.Option(
    "--database", envvar="INTAKE_DATABASE_URL", show_default="sqlite:///var/intake.db", help="The gateway's database.")]


@app.command()
def new(council: Council,
        source: Annotated[list[str], typer.Option(
            "--source", metavar="NAME", help="What the events sent with it may name as their source, such as "
            "https://lcs.example.gov.uk. May be given again.")],
        refs: Annotated[str | None, typer.Option(
            metavar="case-ids|pseudonyms", help="How people are called in what is sent with it: by the case system's "
            "ids, which become refs here (the header Refs: case-ids may then be left out), or by refs of the sender's own. Left "
            "out: as each request says.")] = None,
        councils: CouncilsFile = COUNCILS_FILE, database: _DatabaseUrl = None) -> None:
    """Make an API key and print it. It is shown this once: only its hash is kept. It holds within seconds."""
    from services.intake.keys import Refs, make_key

    if refs is not None and refs not in list(Refs):
        raise UserError(f"--refs {refs!r} is nothing: give {' or '.join(Refs)}")
    if council not in load_councils(councils).councils:
        raise UserError(f"{councils} has no council {council}: add it there first")
    with _open(database) as opened, opened.write() as connection:
        key_id, key = make_key(connection, council, source, datetime.now(UTC), None if refs is None else Refs(refs))
    typer.echo(key)
    typer.echo(f"key {key_id} for {council}: {', '.join(sorted(set(source)))}; hand it over safely, it is not shown again",
               err=True)


@app.command("list")
def list_(database: _DatabaseUrl = None) -> None:
    """Show all keys that were made, without what is secret of them, and from where people come."""
    from services.intake.keys import all_keys
    from services.intake.ledger import all_people_sources

    with _open(database) as opened, opened.read() as connection:
        keys, people_come_from = all_keys(connection), all_people_sources(connection)
    table = Table("key", "council", "made", "holds", "refs", "sources", box=None, pad_edge=False)
    for key in keys:
        table.add_row(key.id, key.council, f"{key.made_at:%Y-%m-%d}",
                      "yes" if key.revoked_at is None else f"until {key.revoked_at:%Y-%m-%d %H:%M}Z",
                      key.refs or "either", " ".join(key.sources))
    console = Console()
    if not console.is_terminal:
        console.width = 400   # one line a key for grep and cut
    console.print(table)
    for council, sources in people_come_from.items():
        typer.echo(f"people of {council} come from {' '.join(sources)}")


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Id of the key, as 'list' shows it.")], database: _DatabaseUrl = None) -> None:
    """Let a key no longer in. It ceases to hold within seconds."""
    from services.intake.keys import revoke_key

    with _open(database) as opened, opened.write() as connection:
        if not revoke_key(connection, key, datetime.now(UTC)):
            raise UserError("there is no key of this id that holds: see 'keepintouch sources list'")
    typer.echo(f"{key} no longer holds")


@app.command()
def people(council: Council,
           source: Annotated[list[str], typer.Argument(help="From where they may come: one, or several that agree to differ.")],
           database: _DatabaseUrl = None) -> None:
    """Say from where snapshots of a council's people may come. Without being told it is the source that was first.

    Of two snapshots of a person the newest holds with all it says and leaves out, so two sources would undo each other's.
    """
    from services.intake.ledger import people_sources, set_people_sources

    with _open(database) as opened, opened.write() as connection:
        before = people_sources(connection, council)
        set_people_sources(connection, council, source, datetime.now(UTC))
    typer.echo(f"people of {council} come from {' '.join(sorted(set(source)))} (before: {' '.join(sorted(before)) or 'nowhere'})")


@contextlib.contextmanager
def _open(url: str | None) -> Iterator[Database]:
    try:
        from services.intake.database import open_database
        from services.intake.settings import IntakeSettings
    except ImportError as error:
        raise UserError(f"this needs the gateway's packages ({error.name} is missing): install keep-in-touch[intake]") from None
    with contextlib.closing(open_database(url or load_settings(IntakeSettings).intake_database_url)) as opened:
        yield opened
