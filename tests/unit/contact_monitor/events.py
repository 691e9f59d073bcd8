"""What a case system says, as CloudEvents, in a few words; and a small policy to hold against it."""
from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import yaml

from keepintouch.standards.policy import Policy
from keepintouch.standards.policy_file import load_policy

REF, ADVISER = "lancashire:p001", "lancashire:w01"
_numbers = count(1)


def event(kind: str, subject: str, data: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
    """One CloudEvent."""
    return {"specversion": "1.0", "id": event_id or f"e{next(_numbers):06}", "source": "urn:case-system",
            "type": f"care.{kind}.v1", "subject": subject, "data": data}


def person(ref: str = REF, recorded_at: str = "2024-01-05T10:00:00Z", **changes: Any) -> dict[str, Any]:
    """Somebody of 18, supported since the first of January 2024."""
    return event("person", ref, {
        "person_ref": ref, "recorded_at": recorded_at, "born_on": "2005-06-10", "category": "former_relevant",
        "supported_since": "2024-01-01", "adviser_ref": ADVISER, "adviser_since": "2024-01-01", "team_ref": "north",
        "need": "standard", "looked_after": False, "cohorts": []} | changes)


def in_bed_and_breakfast(since: str, ref: str = REF, **changes: Any) -> dict[str, Any]:
    """The same person, moved."""
    home = {"code": "W", "suitable": False, "council_provided": True, "hostel": False, "since": since}
    return person(ref, recorded_at=f"{since}T09:00:00Z", accommodation=home, **changes)


def seen(day: str, ref: str = REF, recorded_at: str | None = None, record_id: str | None = None) -> dict[str, Any]:
    """A visit at which they were seen, at noon."""
    return event("visit", ref, {
        "record_id": record_id or f"r{next(_numbers):06}", "person_ref": ref, "recorded_at": recorded_at or f"{day}T16:00:00Z",
        "occurred_at": f"{day}T12:00:00Z", "worker_ref": ADVISER, "worker_role": "personal_adviser", "location": "home",
        "outcome": "seen"})


def void(record_id: str, recorded_at: str, ref: str = REF) -> dict[str, Any]:
    """That visit was entered in error."""
    return event("record-voided", ref, {"record_id": record_id, "person_ref": ref, "recorded_at": recorded_at})


def erased(recorded_at: str, ref: str = REF) -> dict[str, Any]:
    """Forget them."""
    return event("person-erased", ref, {"person_ref": ref, "recorded_at": recorded_at})


def manifest(complete_through: str, feed: str = "visits", council: str = "lancashire") -> dict[str, Any]:
    """The feed is complete through that day."""
    return event("feed", f"feed:{council}/{feed}", {"council": council, "feed": feed, "complete_through": complete_through,
                                                    "records": 1, "recorded_at": f"{complete_through}T23:30:00Z"})


def a_policy(folder: Path, version: int = 1, weeks: int = 4, feeds: list[str] | None = None, **more: Any) -> Policy:
    """To be seen every so many weeks, and nobody in bed and breakfast."""
    standards = [
        {"rule": "visit_overdue", "text": "Seen every few weeks", "basis": "council", "severity": "high",
         "needs": {"rung": "seen"}, "every": f"{weeks}w"},
        {"rule": "bed_and_breakfast", "text": "Not in bed and breakfast", "basis": "council", "severity": "critical",
         "when": {"accommodation": ["W"]}, "from": "accommodation_since", "within": "0d"}]
    path = folder / "seen.yaml"
    path.write_text(yaml.safe_dump({"id": "seen", "version": version, "title": "Seen", "extends": None, "feeds": feeds or [],
                                    "standards": standards} | more))
    return load_policy(str(path))
