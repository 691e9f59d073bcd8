"""API keys: each is for one council and for the sources it names. Of a key only its hash is kept."""
from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.runtime.errors import UserError
from services.intake.tables import api_key

LONGEST_SOURCE = 200
_PRINTABLE = re.compile(rf"[!-~]{{1,{LONGEST_SOURCE}}}")
_KEY = re.compile(r"kit_([0-9a-f]{10})_[A-Za-z0-9_-]{43}")
"""`kit` so that a scanner for secrets can tell what it has found; 256 random bits need no slow hash."""


class Refs(StrEnum):
    """How a sender calls people and workers."""

    CASE_IDS = "case-ids"
    """By the case system's ids, which become refs at the door."""
    PSEUDONYMS = "pseudonyms"
    """By refs of its own."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, and what they may send."""

    key_id: str
    council: str | None
    """None: any, where a demo has no keys."""
    sources: frozenset[str] | None
    """What the `source` of an event may be. None: anything, where a demo has no keys."""
    refs: Refs | None = None
    """How people and workers are called in what is sent. None: in each request as it says."""

    def may_be(self, source: str) -> bool:
        """Whether events may name this as their source."""
        return self.sources is None or source in self.sources


ANYBODY = Caller("anybody", None, None)
"""Who is let in where a demo has no keys."""


def make_key(connection: Connection, council: str, sources: Sequence[str], now: datetime,
             refs: Refs | None = None) -> tuple[str, str]:
    """Make a key; return its id and the key itself, which nobody can find out later. Raises UserError for a bad source."""
    for source in sources:
        if not _PRINTABLE.fullmatch(source):
            raise UserError(f"a source is written with 1 to {LONGEST_SOURCE} plain characters and no spaces, such as "
                            "https://lcs.example.gov.uk")
    key_id = secrets.token_hex(5)
    key = f"kit_{key_id}_{secrets.token_urlsafe(32)}"
    connection.execute(sa.insert(api_key).values(id=key_id, hash=_hash(key), council=council, sources=sorted(set(sources)),
                                                 made_at=now, refs=refs))
    return key_id, key


def revoke_key(connection: Connection, key_id: str, now: datetime) -> bool:
    """Let a key no longer in; whether there was one that was."""
    done = connection.execute(sa.update(api_key).where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None))
                              .values(revoked_at=now))
    return bool(done.rowcount)


def all_keys(connection: Connection) -> Sequence[sa.Row[tuple[object, ...]]]:
    """All that were ever made, by council, the oldest first: every column but the hash."""
    shown = [column for column in api_key.c if column is not api_key.c.hash]
    return connection.execute(sa.select(*shown).order_by(api_key.c.council, api_key.c.made_at)).all()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that are let in."""

    _known: dict[str, tuple[bytes, Caller]]

    @classmethod
    def read(cls, connection: Connection) -> Keyring:
        """As the database has them now."""
        rows = connection.execute(sa.select(api_key).where(api_key.c.revoked_at.is_(None)))
        return cls({row.id: (row.hash, Caller(row.id, row.council, frozenset(row.sources),
                                             None if row.refs is None else Refs(row.refs))) for row in rows})

    def __len__(self) -> int:
        return len(self._known)

    def names(self, source: str) -> bool:
        """Whether a key is for this source."""
        return any(source in (caller.sources or ()) for _, caller in self._known.values())

    def caller(self, key: str) -> Caller | None:
        """Whose key this is; None if it is nobody's."""
        found = _KEY.fullmatch(key)
        known = self._known.get(found[1]) if found else None
        return known[1] if known is not None and hmac.compare_digest(known[0], _hash(key)) else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()

