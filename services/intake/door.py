"""What is let in: each event is judged as the monitor would judge it, by the same code, and as what it will be on the topic.

Pure: `now` and the councils are arguments. What we do not know is left out of what is published, for nothing may get on to a
topic that is not described: a note or a name that a case system adds would stay there for 400 days.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from keepintouch.acceptance import Accepted, Refused, accept_event
from keepintouch.refs import Refs
from schemas.common import REF_PATTERN, council_of
from schemas.dead_letters import MAX_VALUE_BYTES, Reason
from schemas.events import EVENT_TYPES, Accommodation, CloudEvent, EventData, Feed, Person, PersonErased
from services.intake.case_ids import event_with_refs
from services.intake.erasing import whose
from services.intake.keys import Caller
from services.intake.ledger import fit

DoorReason = Reason | Literal["not_yours", "other_people_source", "id_reused"]
DOOR_MEANINGS: dict[str, str] = {
    "not_yours": "the API key is for another council, or for other sources than the event names",
    "other_people_source": "snapshots of this council's people come from another source: two would contradict one another",
    "id_reused": "the same source sent another event with this id and this recorded_at before",
}
"""What only the gateway refuses, besides the reasons of dead letters."""

_REF = re.compile(REF_PATTERN)
_HINT = "; your own ids need the header Refs: case-ids"
_ENVELOPE = tuple(CloudEvent.model_fields)
_DATA: Mapping[str, frozenset[str]] = {name: frozenset(model.model_fields) for name, model in EVENT_TYPES.items()}
_ACCOMMODATION = frozenset(Accommodation.model_fields)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Refused at the gateway: `reason` is a `DoorReason`, `detail` names the field and what is wrong with it."""

    event_id: str | None
    source: str | None
    reason: str
    detail: str
    person: bytes | None = None
    """Whom it is about, where that can be read (see `erasing.whose`)."""

    @property
    def field(self) -> str:
        """Path of the field."""
        return self.detail.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Admitted:
    """To be published, unless it was before."""

    event_id: str
    source: str
    council: str
    key: bytes
    value: bytes
    data: EventData
    statement: bytes
    """Hash of what says which statement this is: council, source, id and recorded_at. Of the same the content is the same."""
    content: bytes
    """Hash of the value."""
    left_out: tuple[str, ...]
    """Fields that were not published because no message has them."""

    @property
    def person(self) -> bytes | None:
        """Whom it is about; nobody for a manifest, and for an erasure, which says nothing of them."""
        return None if isinstance(self.data, Feed | PersonErased) else whose(self.data.person_ref)

    @property
    def is_manifest(self) -> bool:
        """Whether it goes to every partition."""
        return type(self.data) is Feed

    @property
    def is_person(self) -> bool:
        """Whether it is a snapshot of a person."""
        return type(self.data) is Person


def judge(event: object, caller: Caller, refs: Refs | None, now: datetime, councils: frozenset[str]) -> Admitted | TurnedAway:
    """Judge one event; `refs` are the council's if it was sent with case ids. `now` is aware."""
    if type(event) is not dict:
        return TurnedAway(None, None, "not_cloudevent", "value: not a JSON object")
    said_id, said_source = _said(event.get("id")), _said(event.get("source"))

    def refused(reason: str, detail: str) -> TurnedAway:
        return TurnedAway(said_id, said_source, reason, detail, _about(known))

    known, left_out = _known(event)
    try:
        if left_out and len(orjson.dumps(event)) > MAX_VALUE_BYTES:
            return refused("too_large", f"value: over {MAX_VALUE_BYTES} bytes")
        if refs is not None:
            told = event_with_refs(known, refs)
            if isinstance(told, Refused):
                return refused(told.reason, told.detail)
            known = told
        value = orjson.dumps(known, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return refused("schema", "value: nested too deeply")
    accepted = accept_event(value, None, None, now, councils)
    if isinstance(accepted, Refused):
        return refused(accepted.reason, accepted.detail + (_HINT if refs is None and _looks_like_own_id(accepted) else ""))
    council = accepted.data.council if isinstance(accepted.data, Feed) else council_of(accepted.data.person_ref)
    if not caller.may_be(accepted.source):
        return refused("not_yours", "source: this API key is for other sources")
    if caller.council not in (None, council):
        name = "council" if isinstance(accepted.data, Feed) else "person_ref"
        return refused("not_yours", f"data.{name}: this API key is for another council")
    if council not in councils:   # of a manifest the monitor does not ask; here it would be a mistake nobody hears of
        return refused("unknown_council", "data.council: is not in the councils file")
    return _admitted(accepted, council, value, left_out)


def turned_away(admitted: Admitted, reason: DoorReason, detail: str) -> TurnedAway:
    """The refusal of an event that was admitted so far."""
    return TurnedAway(fit(admitted.event_id), admitted.source, reason, detail, admitted.person)


def _admitted(accepted: Accepted, council: str, value: bytes, left_out: tuple[str, ...]) -> Admitted:
    data = accepted.data
    key = data.key if isinstance(data, Feed) else data.person_ref
    which = "\0".join((council, accepted.source, accepted.event_id, data.recorded_at.astimezone(UTC).isoformat()))
    return Admitted(accepted.event_id, fit(accepted.source), council, key.encode(), value, data, _hash(which.encode()),
                    _hash(value), left_out)


def _looks_like_own_id(refused: Refused) -> bool:
    return "_ref: " in refused.detail and "pattern" in refused.detail


def _hash(of: bytes) -> bytes:
    return hashlib.blake2b(of, digest_size=16).digest()


def _known(event: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The event with the fields that its message has, those left out that are null; and the names of the others in its data."""
    known = {name: event[name] for name in _ENVELOPE if name in event}
    data, kind = event.get("data"), event.get("type")
    fields = _DATA.get(kind) if type(kind) is str else None
    if fields is None or type(data) is not dict:
        return known, ()
    known["data"] = told = {name: value for name, value in data.items() if name in fields and value is not None}
    others = [f"data.{name}" for name in data if name not in fields] if len(told) < len(data) else []
    home = told.get("accommodation")
    if type(home) is dict:
        told["accommodation"] = {name: value for name, value in home.items() if name in _ACCOMMODATION}
        others += [f"data.accommodation.{name}" for name in home if name not in _ACCOMMODATION]
    return known, tuple(others)


def _about(event: Mapping[str, Any]) -> bytes | None:
    data = event.get("data")
    ref = data.get("person_ref") if type(data) is dict else None
    return whose(ref) if type(ref) is str and _REF.fullmatch(ref) else None


def _said(text: object) -> str | None:
    return fit(text) if type(text) is str and text else None
