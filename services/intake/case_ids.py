"""Case ids in the place of refs: who sends `Refs: case-ids` has them turned into refs at the door, with the council's key.

So the same person has the same ref whether they come in by a file or over HTTP, and nobody needs the key but us.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from keepintouch.acceptance import Refused
from keepintouch.refs import Kind, RefError

_WORKERS = ("worker_ref", "adviser_ref", "manager_ref", "cover_ref")


class Encoding(Protocol):
    """Makes refs of case ids: `keepintouch.refs.Refs`, or where no key is needed `keepintouch.files.naming.PlainNames`."""

    @property
    def council(self) -> str:
        """Slug of the council."""
        ...

    def encode(self, case_id: str, kind: Kind) -> str:
        """The ref of an id. Raises RefError."""
        ...


def event_with_refs(event: dict[str, Any], refs: Encoding) -> dict[str, Any] | Refused:
    """An event whose ids are refs; what is no text is left as it is, for the acceptance to refuse."""
    data, subject = event.get("data"), event.get("subject")
    if type(data) is not dict:
        return event
    told = fields_with_refs(data, refs, "data.")
    if isinstance(told, Refused):
        return told
    if subject is not None and subject == data.get("person_ref"):
        subject = told["person_ref"]
    return event | {"subject": subject, "data": told}


def fields_with_refs(fields: Mapping[str, Any], refs: Encoding, prefix: str = "") -> dict[str, Any] | Refused:
    """The same for a message without envelope. `prefix` goes before the name of a field that is wrong."""
    told = dict(fields)
    for name in ("person_ref", *_WORKERS):
        if type(case_id := told.get(name)) is str:
            made = _ref(case_id, name, refs, prefix)
            if isinstance(made, Refused):
                return made
            told[name] = made
    if type(absence := told.get("absence")) is dict:
        inner = fields_with_refs(absence, refs, f"{prefix}absence.")
        if isinstance(inner, Refused):
            return inner
        told["absence"] = inner
    return told


def _ref(case_id: str, name: str, refs: Encoding, prefix: str) -> str | Refused:
    if case_id.startswith(f"{refs.council}:"):
        return Refused("schema", f"{prefix}{name}: looks like a ref, which Refs: case-ids would encode once more")
    try:
        return refs.encode(case_id, "person" if name == "person_ref" else "worker")
    except RefError as error:
        return Refused("schema", f"{prefix}{name}: {error}")
