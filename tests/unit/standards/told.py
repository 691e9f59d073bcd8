"""What a case system says of one person, in a few words; all days are of 2024 unless told otherwise."""

from itertools import count
from typing import Any

from keepintouch.standards.person import Facts, Person
from schemas.events import Contact, PersonErased, RecordVoided, Visit
from schemas.events import Person as Snapshot

REF, ADVISER, OTHER = "lancashire:p001", "lancashire:w01", "lancashire:w02"
_HOME = {"code": "U", "suitable": True, "council_provided": False, "hostel": False, "since": "2023-03-10"}
_PERSON = {
    "person_ref": REF, "recorded_at": "2024-01-05T10:00:00Z", "born_on": "2005-03-10", "category": "former_relevant",
    "supported_since": "2023-03-10", "adviser_ref": ADVISER, "adviser_since": "2023-03-10", "team_ref": "north",
    "accommodation": _HOME, "need": "standard", "plan_reviewed_on": "2024-05-01", "looked_after": False, "cohorts": []}
_numbers = count(1)


def snapshot(**changes: Any) -> Snapshot:
    return Snapshot.model_validate(_PERSON | changes)


def home(**changes: Any) -> dict[str, Any]:
    return _HOME | changes


def facts(**changes: Any) -> Facts:
    """A snapshot as the engine keeps it."""
    return person(**changes).facts  # type: ignore[return-value]


def contact(day: str, channel: str = "phone", outcome: str = "completed", **changes: Any) -> Contact:
    return Contact.model_validate(_record(day) | {"channel": channel, "direction": "out", "outcome": outcome} | changes)


def visit(day: str, location: str = "home", outcome: str = "seen", **changes: Any) -> Visit:
    return Visit.model_validate(_record(day) | {"location": location, "outcome": outcome} | changes)


def void(record_id: str, recorded_at: str) -> RecordVoided:
    return RecordVoided.model_validate({"record_id": record_id, "person_ref": REF, "recorded_at": recorded_at})


def erased(recorded_at: str) -> PersonErased:
    return PersonErased.model_validate({"person_ref": REF, "recorded_at": recorded_at})


def person(*said: Any, **changes: Any) -> Person:
    """A snapshot with these changes, and what is said besides, folded in."""
    told = Person()
    for number, statement in enumerate([snapshot(**changes), *said]):
        told.fold(f"e{number:04}", statement)
    return told


def _record(day: str) -> dict[str, Any]:
    at = day if "T" in day else f"{day}T11:00:00Z"
    return {"record_id": f"r{next(_numbers)}", "person_ref": REF, "recorded_at": at[:11] + "16:00:00Z", "occurred_at": at,
            "worker_ref": ADVISER, "worker_role": "personal_adviser"}
