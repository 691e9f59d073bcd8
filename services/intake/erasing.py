"""Forgetting a person here: nothing that was noted of what was said about them stays, and no old file brings them back.

Kept are the ref and the instant. By them a row of a file is known to be old: one that says when it was recorded by that, a
contact or visit that does not by the day it took place, and a person who does not is old until a later snapshot has come.
"""
from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.intake.imports_tables import imported
from services.intake.ledger import insert
from services.intake.tables import accepted, erased, refusal

KEPT = timedelta(days=400)
"""As long as the events topic; longer as long as a file still has the person."""


def whose(person_ref: str) -> bytes:
    """By what notes about a person are found again."""
    return hashlib.blake2b(person_ref.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody who was erased."""

    at: datetime
    """What was recorded up to then is forgotten."""
    back: bool
    """Whether a snapshot recorded later has come since."""


def erase(connection: Connection, person_ref: str, at: datetime, now: datetime) -> int:
    """Forget what was noted about a person; how many statements of files that were."""
    of_files = connection.execute(sa.delete(imported).where(imported.c.person_ref == person_ref)).rowcount
    for table in (accepted, refusal):
        connection.execute(sa.delete(table).where(table.c.person == whose(person_ref)))
    add = insert(connection, erased).values(person_ref=person_ref, at=at, met_at=now, back=False)
    connection.execute(add.on_conflict_do_update(
        index_elements=[erased.c.person_ref], where=erased.c.at < add.excluded.at,
        set_={"at": add.excluded.at, "met_at": add.excluded.met_at, "back": False}))
    return of_files


def known_again(connection: Connection, person_ref: str, recorded_at: datetime) -> None:
    """Note that a snapshot of a person has come; it brings them back if it was recorded after their erasure."""
    connection.execute(sa.update(erased).where(erased.c.person_ref == person_ref, erased.c.at < recorded_at).values(back=True))


def among(connection: Connection, person_refs: Collection[str], now: datetime) -> Mapping[str, Erased]:
    """Who of these was erased; that a file still has them is noted."""
    if connection.execute(sa.select(erased.c.person_ref).limit(1)).first() is None:
        return {}
    found: dict[str, Erased] = {}
    refs = sorted(person_refs)
    for start in range(0, len(refs), 500):
        mine = erased.c.person_ref.in_(refs[start:start + 500])
        found.update({row.person_ref: Erased(row.at, row.back) for row in connection.execute(sa.select(erased).where(mine))})
        connection.execute(sa.update(erased).where(mine).values(met_at=now))
    return found


def forget(connection: Connection, now: datetime) -> None:
    """Forget who was erased long ago and is in no file any more."""
    connection.execute(sa.delete(erased).where(erased.c.at < now - KEPT, erased.c.met_at < now - KEPT))
