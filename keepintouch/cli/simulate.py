"""`keepintouch simulate`: a made-up council as JSON lines or straight into Kafka."""
from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from keepintouch import refs
from keepintouch.publishing import sending, to_json
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import EVENTS, STAFF
from keepintouch.simulator import LANCASHIRE_2017, MOST_AFTERWARDS, MOST_PEOPLE, PRESETS, Arrival, Simulation
from keepintouch.simulator import simulate as made_up
from schemas.staff import Staff

_PRESETS = "; ".join(f"{name}: {preset.title}" for name, preset in PRESETS.items())


def simulate(
    preset: Annotated[str, typer.Option(help=f"Which council to make up. {_PRESETS}.")] = LANCASHIRE_2017.name,
    people: Annotated[int | None, typer.Option(
        min=1, max=MOST_PEOPLE, help="How many care leavers, instead of the preset's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes, on every machine.")] = 1,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, instead of the preset's.")] = None,
    days: Annotated[int | None, typer.Option(
        min=1, help="Days of history, instead of the preset's. Its shares hold from 120 days on.")] = None,
    afterwards: Annotated[int, typer.Option(
        min=0, max=MOST_AFTERWARDS, help="Days that follow the history; it is the same however many.")] = 0,
    council: Annotated[str | None, typer.Option(help="Slug of the council, the part of its refs before the colon.")] = None,
    feed: Annotated[list[str] | None, typer.Option(
        help="A nightly feed that says each night up to which day everything is in. May be given again.")] = None,
    to_kafka: Annotated[bool, typer.Option(
        "--to-kafka", help="Into care.events.v1, and the staff into care.staff.v1, at KAFKA_BOOTSTRAP_SERVERS.")] = False,
    staff: Annotated[Path | None, typer.Option(help="Write the staff into this file, one JSON a line.")] = None,
    keys: Annotated[Path | None, typer.Option(
        help="Write the made-up council's key into this folder, so that 'keepintouch who' can turn its refs back.")] = None,
) -> None:
    """Make up a council: care leavers, their homes and advisers, every contact and visit, as events in the order of recording.

    Nobody in it exists; mobile numbers are those kept free for drama. Events are CloudEvents, one JSON a line on standard
    output, unless they go to Kafka. What is wrong with a council's contact, and why its own figures do not show it, is in the
    events as it would be in life: text-only contact, contact by strangers, people drifting out of touch, visits typed up late.
    """
    council_made_up = _made_up(preset, seed=seed, people=people, start=start, days=days, afterwards=afterwards, council=council,
                               feeds=tuple(feed or ()))
    if staff is not None:
        _write(staff, council_made_up.staff)
    if keys is not None:
        _keep_key(keys, council_made_up.refs)
    if to_kafka:
        with sending(load_settings(KafkaSettings)) as sender:
            for member in council_made_up.staff:
                sender.staff(member)
            for arrival in _shown(council_made_up):
                sender.event(arrival.event)
        typer.echo(f"{sender.sent} records written to {EVENTS} and {STAFF}", err=True)
    else:
        for arrival in council_made_up:
            sys.stdout.buffer.write(to_json(arrival.event) + b"\n")


def _made_up(preset: str, *, start: datetime | None, council: str | None, seed: int, people: int | None, days: int | None,
             afterwards: int, feeds: tuple[str, ...]) -> Simulation:
    if preset not in PRESETS:
        raise UserError(f"there is no preset of that name: choose one of {', '.join(PRESETS)}")
    try:
        return made_up(PRESETS[preset], seed=seed, people=people, start=start.date() if start else None, days=days,
                       afterwards=afterwards, council=council, feeds=feeds)
    except (ValueError, OverflowError) as error:
        raise UserError(str(error)) from None


def _write(path: Path, staff: Iterable[Staff]) -> None:
    try:
        path.write_bytes(b"".join(to_json(member) + b"\n" for member in staff))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def _keep_key(directory: Path, made: refs.Refs) -> None:
    """Write the key unless that very key is there already."""
    try:
        if not refs.key_file(directory, made.council).exists():
            refs.new_key(directory, made.council, made.key)
        elif refs.load_key(directory, made.council) != made:
            raise UserError(f"another key of {made.council} is in {directory}, and is not overwritten: choose another folder")
    except refs.RefError as error:
        raise UserError(str(error)) from None


def _shown(simulation: Simulation) -> Iterator[Arrival]:
    """The arrivals, with a bar of days on standard error, where that is a terminal."""
    span = (simulation.last_day - simulation.start).days + 1 + simulation.afterwards
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(simulation.council, total=span)
        for arrival in simulation:
            progress.update(task, completed=(arrival.at.date() - simulation.start).days + 1)
            yield arrival
        progress.update(task, completed=span)
