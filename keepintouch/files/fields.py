"""The fields a file may feed: those of `schemas`, as columns of a table.

`person_ref`, `worker_ref` and the like are fed by the case system's own ids; the refs are made of them. The parts of
`accommodation` are columns of their own.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from schemas import events
from schemas.staff import MessageChannel, StaffRole, Weekday

Kind = Literal["people", "contacts", "visits", "staff"]
"""What the rows of a file are about."""
KINDS: tuple[Kind, ...] = get_args(Kind)


class Shape(StrEnum):
    """How a cell of a field is read."""

    PERSON = "the case system's id of a person"
    WORKER = "the case system's id of a worker"
    RECORD = "the case system's own id of the record"
    DAY = "a day"
    INSTANT = "a day with a time of day"
    CODE = "one of a list"
    CODES = "some of a list, with ; between"
    FLAG = "yes or no"
    TEXT = "text"
    SLUGS = "short names in lower case, with ; between"
    MOBILE = "a mobile number"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: how its cells are read, what they may say, and an example for the template."""

    name: str
    shape: Shape
    example: str
    options: tuple[str, ...] = ()
    needed: bool = False
    """Whether a file without it, by column or constant, cannot be read at all."""


def _code(name: str, options: object, example: str, *, needed: bool = False, shape: Shape = Shape.CODE) -> Field:
    return Field(name, shape, example, tuple(get_args(options)), needed)


_PERSON = Field("person_ref", Shape.PERSON, "000123", needed=True)
_RECORDED = Field("recorded_at", Shape.INSTANT, "2026-03-04 16:20")
_OCCURRED = Field("occurred_at", Shape.INSTANT, "2026-03-04 10:30", needed=True)
_RECORD = Field("record_id", Shape.RECORD, "884211")
_WORKER = Field("worker_ref", Shape.WORKER, "W17")
_ROLE = _code("worker_role", events.WorkerRole, "personal_adviser")

PEOPLE = (
    _PERSON, _RECORDED, Field("born_on", Shape.DAY, "2007-05-21", needed=True),
    _code("category", events.Category, "former_relevant", needed=True), Field("supported_since", Shape.DAY, "2023-05-21"),
    _code("in_touch", events.InTouchCode, "YES"), Field("in_touch_since", Shape.DAY, "2026-01-15"),
    Field("opt_out_review_on", Shape.DAY, ""), Field("adviser_ref", Shape.WORKER, "W17"),
    Field("adviser_since", Shape.DAY, "2025-09-01"), Field("team_ref", Shape.TEXT, "leaving-care-north"),
    _code("accommodation_code", events.AccommodationCode, "U"), Field("accommodation_suitable", Shape.FLAG, "yes"),
    Field("accommodation_council_provided", Shape.FLAG, "no"), Field("accommodation_hostel", Shape.FLAG, "no"),
    Field("accommodation_since", Shape.DAY, "2025-11-03"), _code("need", events.Need, "standard"),
    Field("plan_reviewed_on", Shape.DAY, "2026-01-20"), Field("offer_made_on", Shape.DAY, ""),
    Field("no_face_to_face_until", Shape.DAY, ""), Field("looked_after", Shape.FLAG, "no"),
    Field("cohorts", Shape.SLUGS, "uasc;parent"))
CONTACTS = (
    _RECORD, _PERSON, _RECORDED, _OCCURRED, _WORKER, _ROLE, _code("channel", events.Channel, "phone", needed=True),
    _code("direction", events.Direction, "out"), _code("outcome", events.ContactOutcome, "completed"))
VISITS = (
    _RECORD, _PERSON, _RECORDED, _OCCURRED, _WORKER, _ROLE, _code("location", events.Location, "home"),
    _code("outcome", events.VisitOutcome, "seen", needed=True), Field("announced", Shape.FLAG, "yes"),
    Field("seen_alone", Shape.FLAG, "yes"))
STAFF = (
    Field("worker_ref", Shape.WORKER, "W17", needed=True), _code("role", StaffRole, "adviser", needed=True),
    Field("name", Shape.TEXT, "A. Adviser", needed=True), Field("mobile", Shape.MOBILE, "07700 900123"),
    Field("email", Shape.TEXT, "a.adviser@council.example"), Field("team_ref", Shape.TEXT, "leaving-care-north"),
    Field("manager_ref", Shape.WORKER, "W02"), _code("channels", MessageChannel, "sms;email", shape=Shape.CODES),
    _code("works", Weekday, "mon;tue;wed;thu;fri", shape=Shape.CODES), Field("cover_ref", Shape.WORKER, ""),
    Field("absence_from", Shape.DAY, ""), Field("absence_until", Shape.DAY, ""), Field("absence_cover_ref", Shape.WORKER, ""),
    Field("active", Shape.FLAG, "yes"))

FIELDS: Mapping[Kind, Mapping[str, Field]] = {
    kind: {field.name: field for field in fields}
    for kind, fields in zip(KINDS, (PEOPLE, CONTACTS, VISITS, STAFF), strict=True)}
"""The fields of each kind by name, in the order of the template."""
COLUMNS: Mapping[Kind, Mapping[str, Field]] = {**FIELDS, "contacts": {**FIELDS["visits"], **FIELDS["contacts"]}}
"""What columns of a file may feed: in one of contacts, whose types make visits of some rows, also what only visits have."""
