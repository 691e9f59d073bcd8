"""`keepintouch merge`: two refs that turned out to be one person."""
from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.councils import load_councils
from keepintouch.merging import Merger
from keepintouch.publishing import sending
from keepintouch.refs import RefError, council_of
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import EVENTS

from .common import COUNCILS_FILE, CouncilsFile, Yes, ask, need_a_terminal
from .forgetting import IntakeDatabase, forget_here


def merge(
    old: Annotated[str, typer.Argument(help="The ref that is to go.")],
    new: Annotated[str, typer.Argument(help="The ref that stays.")],
    yes: Yes = False,
    councils: CouncilsFile = COUNCILS_FILE,
    database: IntakeDatabase = None,
) -> None:
    """Make two refs of one person one: what was said of OLD is said again of NEW, then voided under OLD, and OLD is erased.

    First merge the two in the case system, or it will speak of the old one again. NEW keeps its own snapshot if it has one.
    """
    need_a_terminal(yes)
    _check(old, new, load_councils(councils).slugs)
    settings, now = load_settings(KafkaSettings), clock_from_env().now()
    merger = Merger(old, new)
    for record in read_to_end(settings, EVENTS):
        if isinstance(accepted := accept_event(record.value, record.key, record.headers, now, None), Accepted):
            merger.take(accepted.event_id, accepted.data)
    events = merger.events(now)
    ask(f"move {len(merger.records)} records from the first ref to the second, and erase the first?", yes)
    with sending(settings) as sender:
        for event in events:
            sender.event(event)
    at = events[-1].data.recorded_at.astimezone(UTC)
    forget_here(database, old, at, now)
    typer.echo(f"merged: {len(merger.records)} records now stand under the second ref, and the first is to be forgotten")
    typer.echo(f"to see whether it has been: keepintouch erase REF --recorded-at {at:%Y-%m-%dT%H:%M:%S.%fZ}", err=True)


def _check(old: str, new: str, councils: frozenset[str]) -> None:
    try:
        slugs = {council_of(old), council_of(new)}
    except RefError as error:
        raise UserError(str(error)) from None
    if len(slugs) > 1:
        raise UserError("the refs are of two councils: a person who moves is another person there")
    if not slugs <= councils:
        raise UserError("the refs are of a council that is not in the councils file")
    if old == new:
        raise UserError("both refs are the same")
