"""What OpenAPI says of the gateway besides what FastAPI finds out by itself: the bodies, examples, and words."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import schemas
from schemas.catalogue import EVENT_KINDS
from schemas.dead_letters import MEANINGS
from schemas.staff import Staff
from services.intake.answers import FeedComplete, Problem, Results
from services.intake.bodies import BATCH, JSON, STRUCTURED
from services.intake.door import DOOR_MEANINGS

_EXAMPLES = Path(schemas.__file__).parent / "examples"
_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (*(kind.model for kind in EVENT_KINDS), Staff, FeedComplete)

MEDIA_TYPES = (f"send Content-Type: {STRUCTURED} (one event), {BATCH} (a list), or {JSON} with the attributes in ce- headers "
               "(ce-specversion, ce-id, ce-source, ce-type, ce-subject)")

ABOUT = """\
Case systems send what they record about contact with care leavers; files are not needed.

Every request has an API key, `Authorization: Bearer kit_...`. It is for one council and for the sources it names; the council's
operator makes it.

**Refs.** `person_ref` and `worker_ref` are pseudonyms, `<council>:<letters, digits, - and _>`. Send your own case ids instead,
with the header `Refs: case-ids`, and they are turned into refs here, with the council's key: then the same person has the same
ref whichever way they come in.

**Answers.** 202: all are on the topic, or were. 207: some are, some were refused; each says which. 4xx: none is. 429 and 503:
send the same again after the seconds of `Retry-After`. To send anything twice is harmless.
"""

EVENTS = """\
One CloudEvent 1.0 (structured, or binary with `ce-` headers) or a batch. Each is judged by itself, as the monitor would judge it,
and the answer says of each whether it was accepted (it is on the topic, acknowledged by all replicas), repeated (accepted before
with the same `source`, `id` and content: nothing was done) or refused, with the reason, the field and what is wrong with it.

The same `id` with a later `recorded_at` is a new statement and is accepted; of each record the statement with the greatest
`recorded_at` holds. The same `id` and `recorded_at` with other content is refused (`id_reused`): nobody could say which holds.

An event has 64 KiB at most. Fields that no message has are not passed on, and the answer names them (`left_out`).

Reasons:

""" + "\n".join(f"- `{reason}`: {meaning}" for reason, meaning in (MEANINGS | DOOR_MEANINGS).items() if reason != "key_mismatch")

COMPLETE = """\
The manifest of an extract: everything of this feed up to that day is in. It goes to every partition once all that was posted for
this council before it is acknowledged. Policies that list the feed say nothing about contact of later days. Post it when every
batch of the extract has been answered 202.
"""

STAFF = """\
Who works for the council, as an array: each member that is named is written, the others stay as they are. Who has left is sent
with `active: false`. What a record does not say of `absence` and `cover_ref` stays as it is: a leave that a manager set is not
ended by a nightly file. To end one, send `null`.
"""

LETTERS = """\
What was not accepted of what this key's sources sent: refused at the door, or by the monitor as a dead letter, and the share of
it. Never of another council or source. `detail` names the field and never a value.
"""

_STATUSES = {
    400: "Not JSON, or a header that cannot be read", 401: "No API key, or one that does not hold",
    403: "The API key is for another council or other sources", 408: "The request took too long to arrive",
    413: "Too large", 415: "Not a media type that is read here", 422: "None was accepted",
    429: "Too much in a minute: see Retry-After", 503: "Kafka or a database is away: see Retry-After"}
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def _declined(status: int, model: Any) -> dict[str, Any]:
    return {"description": _STATUSES[status], "model": model, **({"headers": _RETRY} if status in (429, 503) else {})}


PROBLEMS: dict[int | str, dict[str, Any]] = {status: _declined(status, Problem) for status in (401, 403, 422, 429, 503)}

RESULTS: dict[int | str, dict[str, Any]] = {
    202: {"description": "All are on the topic, or were before", "model": Results},
    207: {"description": "Some are, some were refused", "model": Results},
    **{status: _declined(status, Results | Problem if status in (400, 403, 413, 422) else Problem) for status in _STATUSES}}


def _example(kind: str) -> Any:
    return json.loads((_EXAMPLES / kind / "valid-usual.json").read_text(encoding="utf-8"))


def _schema(model: type) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


_REFS_HEADER = {"name": "Refs", "in": "header", "required": False, "schema": {"type": "string", "enum": ["case-ids"]},
                "description": "what stands in the place of refs are your own case ids, of 1 to 32 bytes each"}
_ANY_EVENT = {"oneOf": [_schema(kind.model) for kind in EVENT_KINDS],
              "discriminator": {"propertyName": "type", "mapping": {
                  kind.name.removesuffix(".cloudevent"): _schema(kind.model)["$ref"] for kind in EVENT_KINDS}}}
_EVENTS_SHOWN = {kind.name: {"summary": kind.name.removesuffix(".cloudevent"), "value": _example(kind.name)}
                 for kind in EVENT_KINDS}

EVENTS_BODY: dict[str, Any] = {
    "parameters": [_REFS_HEADER],
    "requestBody": {"required": True, "content": {
        BATCH: {"schema": {"type": "array", "items": _ANY_EVENT},
                "example": [_example("care.contact.v1.cloudevent"), _example("care.visit.v1.cloudevent")]},
        STRUCTURED: {"schema": _ANY_EVENT, "examples": _EVENTS_SHOWN}}}}
COMPLETE_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {JSON: {
        "schema": _schema(FeedComplete), "example": {"complete_through": "2026-03-09", "records": 412}}}}}
STAFF_BODY: dict[str, Any] = {
    "parameters": [_REFS_HEADER],
    "requestBody": {"required": True, "content": {JSON: {
        "schema": {"type": "array", "items": _schema(Staff)}, "example": [_example("care.staff.v1")]}}}}


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes the document, once, with the models of the bodies beside those of the answers."""
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes))
            _, bodies = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF)
            made["components"]["schemas"] |= bodies["$defs"]
        return made

    return document
