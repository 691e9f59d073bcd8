"""`keepintouch audit`: who looked at whom, and did what."""
from __future__ import annotations

import re
from typing import Annotated

import typer
from pydantic import ValidationError

from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import AUDIT
from schemas.audit import AuditEntry
from schemas.common import REF_PATTERN

from .common import moment

_REF = re.compile(REF_PATTERN)


def audit(
    person: Annotated[str | None, typer.Option(metavar="REF", help="Only what is about this person.")] = None,
    actor: Annotated[str | None, typer.Option(metavar="REF", help="Only what this member of staff looked at or did.")] = None,
    since: Annotated[str | None, typer.Option(metavar="D", help="An instant, or how long ago: 30d; else all there is.")] = None,
) -> None:
    """Print who looked at whom on the board, and did what: one JSON a line, the oldest first, of up to seven years.

    Exit status 0 also when there is nothing.
    """
    for name, ref in (("--person", person), ("--actor", actor)):
        if ref is not None and not _REF.fullmatch(ref):
            raise UserError(f"{name}: that is no ref: one is <council>:<letters, digits, - and _>")
    earliest = None if since is None else moment("--since", since, clock_from_env().now())
    entries, unread = [], 0
    for record in read_to_end(load_settings(KafkaSettings), AUDIT):
        try:
            entry = AuditEntry.model_validate_json(record.value or b"")
        except ValidationError:
            unread += 1
            continue
        if (person in (None, entry.person_ref) and actor in (None, entry.actor_ref)
                and (earliest is None or entry.at >= earliest)):
            entries.append(entry)
    for entry in sorted(entries, key=lambda each: (each.at, each.actor_ref, each.page)):
        typer.echo(entry.model_dump_json())
    if unread:
        typer.echo(f"keepintouch: {unread} records of {AUDIT} could not be read", err=True)
