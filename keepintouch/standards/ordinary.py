"""Ordinary contacts and visits, read at once into what the engine keeps of them.

Nearly everything on the events topic is a contact or visit in the plainest form: structured JSON in ASCII, nothing that needs an
escape, no field that we do not know. For these, this reads in a fraction of the time what `keepintouch.acceptance` would accept,
and to the same effect. Whatever is out of the ordinary in any way, good or bad, is left to that.
"""
from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from schemas.common import REF_PATTERN
from schemas.dead_letters import MAX_VALUE_BYTES
from schemas.events import Channel, ContactOutcome, Direction, Location, VisitOutcome, WorkerRole

from .identifiers import pack
from .instants import microseconds
from .ladder import CONTACT_KINDS, VISIT_KINDS
from .person import Statement

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_RecordId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Data(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Of a contact or of a visit: one form for both, since a second decoding would cost more than what does not belong."""

    record_id: _RecordId
    person_ref: str
    recorded_at: str
    occurred_at: str
    worker_role: WorkerRole
    outcome: ContactOutcome | VisitOutcome
    worker_ref: str | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    location: Location | None = None
    announced: bool | None = None
    seen_alone: bool | None = None


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: Literal["care.contact.v1", "care.visit.v1"]
    subject: str
    data: _Data
    datacontenttype: Literal["application/json"] = "application/json"
    time: str | None = None


_decode = msgspec.json.Decoder(_Event).decode
_is_instant = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-5][0-9])").fullmatch
"""In the usual form; the parser alone would take offsets of over 59 minutes, too."""
_is_ref = re.compile(REF_PATTERN).fullmatch
_parse = datetime.fromisoformat
_FIRST_YEAR = microseconds(_parse("0002-01-01T00:00:00+00:00"))
_HOUR = len("2026-01-19T15")
_IN_THE_HOUR = {f":{n // 60:02}:{n % 60:02}Z": n * 1_000_000 for n in range(3600)}
"""Microseconds from the full hour, by how the rest of an instant in UTC is written where it is of whole seconds."""
_MOST_REMEMBERED = 100_000
_hours: dict[str, int] = {}
"""Full hours in UTC, as written, that were parsed once: most instants are in one of a year's few thousand."""
_workers: dict[str, str] = {}
"""Refs of workers that are well formed, each by itself: tested once, and kept once however many records name it."""


def read(value: bytes, key: bytes, latest: int) -> tuple[Statement, str] | None:
    """What an ordinary contact or visit states, in a record without headers, and its source; None for anything else.

    `key` is the Kafka key, one that was accepted before. `latest`: microseconds since 1970 after which an instant is too far
    ahead.
    """
    if len(value) > MAX_VALUE_BYTES or not value.isascii() or b"\\" in value:
        return None
    try:
        event = _decode(value)
        data = event.data
        recorded_at, occurred_at = _instant(data.recorded_at), _instant(data.occurred_at)
    except ValueError:  # msgspec's errors are such too
        return None
    kind = _kind(event.type, data)
    if kind is None:
        return None
    worker = data.worker_ref
    if worker is not None:
        worker = _workers.get(worker) or _well_formed(worker)
        if worker is None:
            return None
    if not (event.subject == data.person_ref and event.subject.encode() == key
            and _FIRST_YEAR < recorded_at <= latest and _FIRST_YEAR < occurred_at <= latest):
        return None
    return Statement(pack(data.record_id), pack(event.id), recorded_at, occurred_at, kind, worker), event.source


def _kind(said: str, data: _Data) -> int | None:
    """The kind of record it is; None where something is missing, or belongs to the other kind."""
    if said == "care.contact.v1":
        return None if data.location is not None else CONTACT_KINDS.get(
            (data.worker_role, data.channel, data.direction, data.outcome))  # type: ignore[arg-type]
    return None if data.channel is not None or data.direction is not None else VISIT_KINDS.get(
        (data.worker_role, data.location, data.outcome, data.announced, data.seen_alone))  # type: ignore[arg-type]


def _instant(text: str) -> int:
    """Microseconds since 1970; ValueError for what is not an instant in the usual form."""
    rest = _IN_THE_HOUR.get(text[_HOUR:])
    hour = _hours.get(text[:_HOUR])
    if rest is not None and hour is not None:
        return hour + rest
    if not _is_instant(text):
        raise ValueError
    found = microseconds(_parse(text))
    if rest is not None:
        if len(_hours) >= _MOST_REMEMBERED:
            _hours.clear()
        _hours[text[:_HOUR]] = found - rest
    return found


def _well_formed(ref: str) -> str | None:
    if not _is_ref(ref):
        return None
    if len(_workers) >= _MOST_REMEMBERED:
        _workers.clear()
    return _workers.setdefault(ref, ref)
