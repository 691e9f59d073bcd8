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

from schemas.common import INSTANT_PATTERN, REF_PATTERN
from schemas.dead_letters import MAX_VALUE_BYTES
from schemas.events import (
    Channel,
    ContactOutcome,
    Direction,
    Location,
    VisitOutcome,
    WorkerRole,
)

from .identifiers import pack
from .instants import microseconds
from .ladder import CONTACT_KINDS, VISIT_KINDS
from .person import Statement

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_RecordId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: Literal["care.contact.v1", "care.visit.v1"]
    subject: str
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] = "application/json"
    time: str | None = None


class _Contact(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    record_id: _RecordId
    person_ref: str
    recorded_at: str
    occurred_at: str
    worker_role: WorkerRole
    channel: Channel
    direction: Direction
    outcome: ContactOutcome
    worker_ref: str | None = None


class _Visit(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    record_id: _RecordId
    person_ref: str
    recorded_at: str
    occurred_at: str
    worker_role: WorkerRole
    location: Location
    outcome: VisitOutcome
    worker_ref: str | None = None
    announced: bool | None = None
    seen_alone: bool | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode
_contact = msgspec.json.Decoder(_Contact).decode
_visit = msgspec.json.Decoder(_Visit).decode
_is_instant = re.compile(INSTANT_PATTERN).fullmatch
_is_ref = re.compile(REF_PATTERN).fullmatch
_parse = datetime.fromisoformat
_FIRST_YEAR = microseconds(_parse("0002-01-01T00:00:00+00:00"))
_MOST_REMEMBERED = 100_000
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
        event = _envelope(value)
        data: _Contact | _Visit
        if event.type == "care.contact.v1":
            data = contact = _contact(event.data)
            kind = CONTACT_KINDS[contact.worker_role, contact.channel, contact.direction, contact.outcome]
        else:
            data = visit = _visit(event.data)
            kind = VISIT_KINDS[visit.worker_role, visit.location, visit.outcome, visit.announced, visit.seen_alone]
        recorded, occurred = data.recorded_at, data.occurred_at
        if not (_is_instant(recorded) and _is_instant(occurred)):
            return None
        recorded_at, occurred_at = microseconds(_parse(recorded)), microseconds(_parse(occurred))
    except ValueError:  # msgspec's errors are such too
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


def _well_formed(ref: str) -> str | None:
    if not _is_ref(ref):
        return None
    if len(_workers) >= _MOST_REMEMBERED:
        _workers.clear()
    return _workers.setdefault(ref, ref)
