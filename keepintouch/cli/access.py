"""`keepintouch access`: who may do what on Kafka."""

import os
from pathlib import Path
from typing import Annotated

import typer

from keepintouch.runtime.access import Principal, compare, grant, load_access, read_passwords, set_passwords
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import DEFAULT_APP_ID

app = typer.Typer(name="access", help="List, give and check the rights on Kafka of each service.", no_args_is_help=True)

_File = Annotated[Path | None, typer.Option("--file", help="Another file of rights than the shipped one.")]


@app.command("list")
def list_(file: _File = None) -> None:
    """Show each user and its rights as they are stated."""
    for principal in _principals(file):
        typer.echo(f"{principal.name}: {principal.purpose}")
        for right in principal.rights:
            typer.echo(f"  {right.operation} {right.kind} {right.name}{'*' if right.prefixed else ''}")


@app.command()
def create(passwords: Annotated[Path, typer.Option(help="Folder with one file for each user, its password in it.")],
           file: _File = None) -> None:
    """Make the users, set their passwords, and give them the rights they lack. Needs the administrator's certificate.

    May be repeated: with other passwords in the folder it changes them. Rights that are not stated are shown and left.
    """
    settings, principals = load_settings(KafkaSettings), _principals(file)
    secrets = read_passwords(passwords, principals)
    given = grant(settings, principals)
    set_passwords(settings, secrets)
    typer.echo(f"{len(principals)} users, {len(given)} rights given")
    for right in compare(settings, principals)[1]:
        typer.echo(f"not stated: {right}", err=True)


@app.command()
def check(file: _File = None) -> None:
    """Say where the cluster's rights differ from what is stated; exit status 1 if they do. Needs the administrator."""
    missing, surplus = compare(load_settings(KafkaSettings), _principals(file))
    for right in missing:
        typer.echo(f"missing: {right}")
    for right in surplus:
        typer.echo(f"not stated: {right}")
    if missing or surplus:
        raise typer.Exit(1)
    typer.echo("all rights are as stated")


def _principals(file: Path | None) -> tuple[Principal, ...]:
    return load_access(file, app_id=os.environ.get("CONTACT_MONITOR_APP_ID", DEFAULT_APP_ID))
