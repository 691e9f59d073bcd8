"""From the fields that a row says to a message; what stands in for those it does not say, and why.

| field | stands in | because |
|---|---|---|
| `recorded_at` | the import | that is when it became known here |
| time of day of `occurred_at` | noon | the day is right whatever the time |
| `worker_role` | the role in the staff list; else personal adviser, if they are the person's; else what the mapping names | |
| `direction` | `out` | who writes a note writes of what they did |
| `outcome` of something written | `left_message` out, `completed` in | without a recorded reply nobody knows of one |
| `outcome` face to face, by video | `completed` | nobody meets alone |
| `location` | `other` | nothing that is not recorded counts as seen at home |
| `supported_since` | the earliest day the row, or what else was read, knows of the person | no clock starts before it |
| `looked_after` | whether the category is eligible | that is what eligible means |
| `need` | `standard` | |
| `accommodation_council_provided`, `accommodation_hostel` | no | rules about them are then unseen: name them in `cannot_see` |
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from pydantic import ValidationError

from keepintouch.acceptance import FUTURE_ALLOWANCE
from keepintouch.calendar import london_day
from schemas.events import WRITTEN_CHANNELS, Accommodation, Contact, Person, Visit, WorkerRole
from schemas.staff import Absence, Staff, StaffRole

from .dates import NO_DAY
from .fields import Kind
from .mapping import plain

_LONGEST_RECORD_ID = 128
_ROLES: dict[StaffRole, WorkerRole] = {
    "adviser": "personal_adviser", "manager": "manager", "service_manager": "manager", "duty": "duty"}
_MEETINGS = ("face_to_face", "video")
_HOME = ("accommodation_code", "accommodation_suitable", "accommodation_council_provided", "accommodation_hostel",
         "accommodation_since")
_FIRST_DAYS = ("adviser_since", "accommodation_since", "in_touch_since", "plan_reviewed_on", "offer_made_on")

Made = tuple[Person | Contact | Visit | Staff, frozenset[str]]


class NotSaid(Exception):  # noqa: N818 -- it says what a row does not
    """A row lacks what nothing can stand in for, or says what cannot be."""

    def __init__(self, field_: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field_, reason


@dataclass(frozen=True, slots=True)
class Known:
    """What is known from other files when one is read; all by ref."""

    roles: Mapping[str, WorkerRole] = field(default_factory=dict)
    """Of workers, from the staff list."""
    advisers: Mapping[str, str] = field(default_factory=dict)
    """Of people."""
    first_days: Mapping[str, date] = field(default_factory=dict)
    """The earliest day anything is recorded about a person."""
    workers: Mapping[str, str] = field(default_factory=dict)
    """Refs of workers by name (see `plain`), for files that have the name where the id should be."""


NOTHING = Known()
"""Nothing is known from other files."""


def known_from(staff: Iterable[Staff] = (), people: Iterable[Person] = (),
               records: Iterable[Contact | Visit] = ()) -> Known:
    """What these say that helps to read others."""
    first_days: dict[str, date] = {}
    for record in records:
        day, ref = london_day(record.occurred_at), record.person_ref
        if day < first_days.get(ref, date.max):
            first_days[ref] = day
    members = list(staff)
    return Known({member.worker_ref: _ROLES[member.role] for member in members},
                 {person.person_ref: person.adviser_ref for person in people if person.adviser_ref is not None}, first_days,
                 _by_name(members))


def _by_name(members: Iterable[Staff]) -> dict[str, str]:
    """Refs by name; two of one name are nobody's."""
    found: dict[str, str | None] = {}
    for member in members:
        name = plain(member.name)
        found[name] = member.worker_ref if found.get(name, member.worker_ref) == member.worker_ref else None
    return {name: ref for name, ref in found.items() if ref is not None}


@dataclass(frozen=True, slots=True)
class Building:
    """What every row of a file is built with."""

    feed: str
    council: str
    now: datetime
    known: Known
    otherwise_role: WorkerRole | None

    def record_id_of(self, values: Mapping[str, Any]) -> str | None:
        """The record id of a row, as far as it can be told from these."""
        own = values.get("record_id")
        if own is None:
            return None
        found = f"{self.feed}-{own}"
        return found if len(found) <= _LONGEST_RECORD_ID else f"{self.feed}-{_hash(own)}"


def contact(building: Building, values: dict[str, Any]) -> Made:
    """A contact of these fields, and what stood in. Raises NotSaid."""
    stood_in = _record(building, values, "channel")
    channel = _needed(values, "channel")
    if "direction" not in values:
        values["direction"] = "out"
        stood_in.add("direction")
    if "outcome" not in values:
        stood_in.add("outcome")
        if channel in WRITTEN_CHANNELS:
            values["outcome"] = "left_message" if values["direction"] == "out" else "completed"
        elif channel in _MEETINGS:
            values["outcome"] = "completed"
        else:
            raise NotSaid("outcome", f"is not recorded, and nothing is assumed of a contact by {channel}: say in the mapping "
                          "what it was (`types` or `constants`)")
    return _valid(Contact, values), frozenset(stood_in)


def visit(building: Building, values: dict[str, Any]) -> Made:
    """A visit of these fields, and what stood in. Raises NotSaid."""
    stood_in = _record(building, values, "location")
    _needed(values, "outcome")
    if "location" not in values:
        values["location"] = "other"
        stood_in.add("location")
    return _valid(Visit, values), frozenset(stood_in)


def person(building: Building, values: dict[str, Any]) -> Made:
    """A person of these fields, and what stood in. Raises NotSaid."""
    stood_in = _recorded(building, values)
    ref, today = _needed(values, "person_ref"), london_day(building.now)
    if _needed(values, "born_on") > today:
        raise NotSaid("born_on", "lies in the future")
    category = _needed(values, "category")
    values["accommodation"] = _home(values, stood_in)
    if "supported_since" not in values:
        days = [values[name] for name in _FIRST_DAYS if name in values]
        values["supported_since"] = min([*days, building.known.first_days.get(ref, today), today])
        stood_in.add("supported_since")
    for name, stand_in in (("looked_after", category == "eligible"), ("need", "standard"), ("cohorts", [])):
        if name not in values:
            values[name] = stand_in
            stood_in.add(name)
    return _valid(Person, values), frozenset(stood_in)


def staff(building: Building, values: dict[str, Any]) -> Made:
    """A member of staff of these fields, and what stood in. Raises NotSaid."""
    stood_in = set[str]()
    for name in ("worker_ref", "role", "name"):
        _needed(values, name)
    values["council"] = building.council
    if "channels" not in values:
        values["channels"] = [name for name, has in (("sms", "mobile"), ("email", "email")) if has in values]
        stood_in.add("channels")
    values["active"] = values.get("active", True)
    first, last, cover = (values.pop(name, None) for name in ("absence_from", "absence_until", "absence_cover_ref"))
    if (first is None) != (last is None):
        raise NotSaid("absence_until" if last is None else "absence_from", "is missing: an absence has a first and a last day")
    if first is not None:
        values["absence"] = _valid(Absence, {"from": first, "until": last, "cover_ref": cover})
    return _valid(Staff, values), frozenset(stood_in)


BUILDERS: dict[Kind, Callable[[Building, dict[str, Any]], Made]] = {
    "people": person, "contacts": contact, "visits": visit, "staff": staff}
"""What makes a message of each kind of row."""


def _record(building: Building, values: dict[str, Any], how: str) -> set[str]:
    """What contacts and visits have in common."""
    stood_in = _recorded(building, values)
    ref, occurred = _needed(values, "person_ref"), _needed(values, "occurred_at")
    if occurred > building.now + FUTURE_ALLOWANCE:
        raise NotSaid("occurred_at", "lies in the future")
    if occurred.date() <= NO_DAY:
        raise NotSaid("occurred_at", "is missing (1900-01-01 stands for no day)")
    worker = values.get("worker_ref")
    if "worker_role" not in values:
        stood_in.add("worker_role")
        values["worker_role"] = _role(building, ref, worker)
    if (record_id := building.record_id_of(values)) is None:
        stood_in.add("record_id")
        record_id = f"{building.feed}-{_hash(ref, worker or '', occurred.isoformat(), values.get(how, ''))}"
    values["record_id"] = record_id
    return stood_in


def _role(building: Building, ref: str, worker: str | None) -> str:
    if worker is not None:
        if (listed := building.known.roles.get(worker)) is not None:
            return listed
        if building.known.advisers.get(ref) == worker:
            return "personal_adviser"
    if building.otherwise_role is None:
        raise NotSaid("worker_role", "is not recorded, and the worker is neither in the staff list nor the person's adviser: "
                      "give the staff list, or say in the mapping what it is otherwise (`constants`)")
    return building.otherwise_role


def _recorded(building: Building, values: dict[str, Any]) -> set[str]:
    if "recorded_at" not in values:
        values["recorded_at"] = building.now
        return {"recorded_at"}
    if values["recorded_at"] > building.now + FUTURE_ALLOWANCE:
        raise NotSaid("recorded_at", "lies in the future")
    return set()


def _home(values: dict[str, Any], stood_in: set[str]) -> Accommodation | None:
    said = {name.removeprefix("accommodation_"): values.pop(name) for name in _HOME if name in values}
    if isinstance(said.get("code"), tuple):
        said["code"], suitable = said["code"]
        said.setdefault("suitable", suitable)
    if all(value is None for value in said.values()):
        return None
    for name in ("council_provided", "hostel"):
        if name not in said:
            said[name] = False
            stood_in.add(f"accommodation_{name}")
    return cast(Accommodation, _valid(Accommodation, said))


def _needed(values: Mapping[str, Any], name: str) -> Any:
    if (value := values.get(name)) is None:
        raise NotSaid(name, "is missing")
    return value


def _valid(model: Any, values: dict[str, Any]) -> Any:
    try:
        return model.__pydantic_validator__.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise NotSaid(str(first["loc"][0]) if first["loc"] else "", first["msg"]) from None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
