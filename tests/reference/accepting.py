"""Which lines are accepted, and why the others are not: the second, naive reading."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from .days import LONDON, instant

Check = Callable[[Any], bool]

COUNCIL_ROLES = ["personal_adviser", "social_worker", "manager", "duty", "other_council"]
THIRD_PARTIES = ["accommodation_staff", "other_professional", "family"]


def is_ref(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[a-z0-9-]{2,32}:[A-Za-z0-9_-]{1,64}", value))


def is_instant(value: Any) -> bool:
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    if not isinstance(value, str) or not re.fullmatch(shape, value):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def is_date(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return False
    try:
        return bool(date.fromisoformat(value))
    except ValueError:
        return False


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_record_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 128


def one_of(values: str) -> Check:
    return lambda value: value in values.split() if isinstance(value, str) else False


class Nullable:
    """A field that may be null, and so may be left out."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __call__(self, value: Any) -> bool:
        return value is None or self.check(value)


def object_of(fields: dict[str, Check]) -> Check:
    """Fields by name; those it does not know do no harm."""

    def check(value: Any) -> bool:
        return isinstance(value, dict) and all(
            known(value[name]) if name in value else isinstance(known, Nullable) for name, known in fields.items()
        )

    return check


ROLE = one_of(" ".join(COUNCIL_ROLES + THIRD_PARTIES))
HOME: dict[str, Check] = {
    "code": Nullable(lambda v: isinstance(v, str) and bool(re.fullmatch("[B-Z]", v))), "suitable": Nullable(is_bool),
    "council_provided": is_bool, "hostel": is_bool, "since": Nullable(is_date)}
STATEMENT: dict[str, Check] = {"record_id": is_record_id, "person_ref": is_ref, "recorded_at": is_instant}
DATA: dict[str, Check] = {
    "care.person.v1": object_of({
        "person_ref": is_ref, "recorded_at": is_instant, "born_on": is_date, "supported_since": is_date,
        "category": one_of("eligible relevant former_relevant qualifying none"),
        "in_touch": Nullable(one_of("YES NO DIED REFU NREQ RHOM")), "in_touch_since": Nullable(is_date),
        "opt_out_review_on": Nullable(is_date), "adviser_ref": Nullable(is_ref), "adviser_since": Nullable(is_date),
        "team_ref": Nullable(is_text), "accommodation": Nullable(object_of(HOME)), "need": one_of("standard enhanced high"),
        "plan_reviewed_on": Nullable(is_date), "offer_made_on": Nullable(is_date), "no_face_to_face_until": Nullable(is_date),
        "looked_after": is_bool, "cohorts": lambda v: isinstance(v, list) and all(is_text(item) for item in v)}),
    "care.contact.v1": object_of(STATEMENT | {
        "occurred_at": is_instant, "worker_ref": Nullable(is_ref), "worker_role": ROLE, "direction": one_of("out in"),
        "channel": one_of("face_to_face video phone text email letter social_media other"),
        "outcome": one_of("completed no_reply left_message refused cancelled")}),
    "care.visit.v1": object_of(STATEMENT | {
        "occurred_at": is_instant, "worker_ref": Nullable(is_ref), "worker_role": ROLE,
        "location": one_of("home placement custody office community hospital education other"),
        "outcome": one_of("seen no_access refused cancelled"), "announced": Nullable(is_bool), "seen_alone": Nullable(is_bool)}),
    "care.record-voided.v1": object_of({**STATEMENT}),
    "care.person-erased.v1": object_of({"person_ref": is_ref, "recorded_at": is_instant}),
    "care.feed.v1": object_of({
        "council": is_text, "feed": is_text, "complete_through": is_date, "records": lambda v: type(v) is int and v >= 0,
        "recorded_at": is_instant}),
}


def refusal(line: str, now: datetime) -> str | None:
    """Why a line is not accepted, or None."""
    if len(line.encode()) > 64 * 1024:
        return "too_large"
    try:
        event = json.loads(line)
    except ValueError:
        return "not_json"
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return "not_cloudevent"
    if not all(isinstance(event.get(name), str) and event[name] for name in ("id", "source", "type")):
        return "not_cloudevent"
    if event["type"] not in DATA:
        return "unknown_type"
    data: Any = event.get("data")
    if not DATA[event["type"]](data):
        return "schema"
    if event["type"] == "care.feed.v1":
        if event.get("subject") != f"feed:{data['council']}/{data['feed']}":
            return "schema"
        return "future" if date.fromisoformat(data["complete_through"]) > now.astimezone(LONDON).date() else None
    if event.get("subject") != data["person_ref"]:
        return "schema"
    said = [data[name] for name in ("recorded_at", "occurred_at") if name in data]
    return "future" if any(instant(text) > now + timedelta(hours=24) for text in said) else None
