"""What is let in: the one place where bytes from a topic or a file become a message, or a reason for the dead letters.

Pure: no clock and no Kafka; `now` and the known councils are arguments. Whatever the bytes are, nothing here raises. A refusal
says which field is wrong and how; it never repeats a value, for a value may be a young person's ref.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import orjson
from pydantic import ValidationError

from keepintouch.calendar import london_day
from schemas.common import Message, council_of
from schemas.dead_letters import MAX_VALUE_BYTES, DeadLetterHeaders, Reason
from schemas.events import EVENT_TYPES, EventData, Feed

Headers = Iterable[tuple[str, bytes | None]]
"""A record's headers, in order; Kafka lets a header's value be null."""

FUTURE_ALLOWANCE = timedelta(hours=24)
"""How far ahead of now an instant may be: clocks of case systems differ, and time zones are mistaken for one another."""

_MODELS: Mapping[str, type[EventData]] = cast(Mapping[str, type[EventData]], EVENT_TYPES)
_INSTANTS: Mapping[type[EventData], tuple[str, ...]] = {
    model: tuple(name for name in ("occurred_at", "recorded_at") if name in model.model_fields) for model in EVENT_TYPES.values()}
_SAFE_MESSAGES = frozenset({
    "bool_type", "greater_than_equal", "int_type", "list_type", "literal_error", "missing", "model_type", "not_date",
    "not_date-time", "string_pattern_mismatch", "string_too_long", "string_too_short", "string_type", "too_long"})
"""Kinds of mistake whose message in pydantic never quotes what was given; of any other kind only its name is told."""

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid event: `event_id` is unique per `source`, `type` is one of `schemas.events.EVENT_TYPES`."""

    event_id: str
    source: str
    type: str
    data: EventData


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record was not accepted. `detail` names the field and what is wrong with it; `source` is the sender, if known."""

    reason: Reason
    detail: str
    source: str | None = None


def accept_event(value: bytes | None, key: bytes | None, headers: Headers | None, now: datetime,
                 councils: frozenset[str] | None) -> Accepted | Refused:
    """Read one CloudEvent, structured or (with `ce_` headers) binary; the first test that fails names the reason.

    `key` is the Kafka key, b"" for a record that has none; None: not checked, as in a file. `now` is aware. `councils` are
    the slugs that are known; None: not checked.
    """
    attributes = _binary_attributes(headers) if headers else None
    sender = _text(attributes.get("source")) if attributes is not None else None
    if value is not None and len(value) > MAX_VALUE_BYTES:
        return Refused("too_large", f"value: over {MAX_VALUE_BYTES} bytes", sender)
    if not value:
        return Refused("not_json", "value: empty", sender)
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return Refused("not_json", _where(error), sender)
    if parsed is None:
        return Refused("not_cloudevent", "value: null", sender)
    if attributes is not None:
        attributes["data"] = parsed
    elif type(parsed) is dict:
        attributes = parsed
    else:
        return Refused("not_cloudevent", "value: not a JSON object")
    return _accept_attributes(attributes, key, now, councils)


def _accept_attributes(event: dict[str, Any], key: bytes | None, now: datetime,
                       councils: frozenset[str] | None) -> Accepted | Refused:
    event_id, source, kind = event.get("id"), event.get("source"), event.get("type")
    if not (type(event_id) is str and event_id and type(source) is str and source and type(kind) is str and kind
            and event.get("specversion") == "1.0"):
        return Refused("not_cloudevent", _not_cloudevent(event), _text(source))
    model = _MODELS.get(kind)
    if model is None:
        return Refused("unknown_type", "type: not a type this version knows", source)
    try:
        data = model.__pydantic_validator__.validate_python(event.get("data"))
    except ValidationError as error:
        return Refused("schema", _what(error, "data"), source)
    own_key = data.key if model is Feed else data.person_ref
    if wrong := _wrong_envelope(event, own_key) or _off_the_calendar(data):
        return Refused("schema", wrong, source)
    if key is not None and key != own_key.encode():
        return Refused("key_mismatch", "key: not the subject", source)
    if councils is not None and model is not Feed and council_of(own_key) not in councils:
        return Refused("unknown_council", "data.person_ref: its council is not in the councils file", source)
    if late := _ahead(data, now):
        return Refused("future", late, source)
    return Accepted(event_id, source, kind, data)


def accept_record(model: type[M], value: bytes, key: bytes | None, key_of: Callable[[M], str]) -> M | Refused:
    """Read one record of a topic other than the events: `too_large`, `not_json`, `schema` or `key_mismatch`, in this order.

    An empty value and JSON `null` are `schema`. A Kafka value of None is a tombstone and for the caller to see to. `key` is
    as in `accept_event`; `key_of` tells the key that a message should have.
    """
    if len(value) > MAX_VALUE_BYTES:
        return Refused("too_large", f"value: over {MAX_VALUE_BYTES} bytes")
    if not value:
        return Refused("schema", "value: empty")
    try:
        orjson.loads(value)
        message = model.model_validate_json(value)
    except orjson.JSONDecodeError as error:
        return Refused("not_json", _where(error))
    except ValidationError as error:
        return Refused("schema", _what(error))
    if key is not None and key != key_of(message).encode():
        return Refused("key_mismatch", "key: not the one of this value")
    return message


def dead_letter_headers(original: Headers | None, refused: Refused, topic: str, partition: int, offset: int,
                        first_failed_at: datetime) -> list[tuple[str, bytes | None]]:
    """A dead letter's headers: the original ones, then those of `DeadLetterHeaders`, each once and in its order.

    Original headers are kept even where they bear one of these names: the last of a name is the one meant.
    """
    added = DeadLetterHeaders(reason=refused.reason, detail=refused.detail, topic=topic, partition=partition, offset=offset,
                              first_failed_at=first_failed_at)
    return [*(original or ()), *((name, str(text).encode()) for name, text in added.model_dump(mode="json").items())]


def _binary_attributes(headers: Headers) -> dict[str, Any] | None:
    """The attributes of an event in binary mode, None for one in structured mode. Text that is not UTF-8 is None."""
    attributes: dict[str, Any] = {}
    binary = False
    for name, value in headers:
        if name.startswith("ce_"):
            binary = True
            attributes[name[3:]] = _decoded(value)
        elif name.lower() == "content-type":
            if value and value.lower().startswith(b"application/cloudevents"):
                return None
            attributes["datacontenttype"] = _decoded(value)
    return attributes if binary else None


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _where(error: orjson.JSONDecodeError) -> str:
    return f"value: not JSON in UTF-8, at line {error.lineno} column {error.colno}"


def _not_cloudevent(event: dict[str, Any]) -> str:
    if missing := [name for name in ("id", "source", "type") if _text(event.get(name)) is None]:
        return f"{', '.join(missing)}: should be text, not empty"
    return "specversion: should be the text 1.0"


def _what(error: ValidationError, prefix: str = "") -> str:
    """The first mistake: path of the field, and what is wrong in words that do not quote what was given."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(map(str, filter(None, (prefix, *first["loc"])))) or "value"
    wrong = first["msg"] if first["type"] in _SAFE_MESSAGES else first["type"]
    more = error.error_count() - 1
    return f"{path}: {wrong}" + (f" (and {more} more)" if more else "")


def _wrong_envelope(event: dict[str, Any], own_key: str) -> str | None:
    if event.get("subject") != own_key:
        return "subject: missing, or not what the data are about"
    kind = event.get("datacontenttype")
    if kind is None or kind == "application/json":
        return None
    if isinstance(kind, str) and kind.partition(";")[0].strip().lower() == "application/json":
        return None
    return "datacontenttype: should be application/json"


def _off_the_calendar(data: EventData) -> str | None:
    """An instant before year 1 or after year 9999 in UTC, which its offset alone lets one write: it has no day."""
    for name in _INSTANTS[type(data)]:
        at = getattr(data, name)
        if not MINYEAR < at.year < MAXYEAR:
            try:
                at.astimezone(UTC)
            except OverflowError:
                return f"data.{name}: outside the years 1 to 9999 in UTC"
    return None


def _ahead(data: EventData, now: datetime) -> str | None:
    if type(data) is Feed:
        return "data.complete_through: after today" if data.complete_through > london_day(now) else None
    near = now.toordinal() - 1  # an offset is less than a day: days before this need no exact test, which is slow
    for name in _INSTANTS[type(data)]:
        at = getattr(data, name)
        if at.toordinal() >= near and at - now > FUTURE_ALLOWANCE:
            return f"data.{name}: more than 24 hours ahead"
    return None
