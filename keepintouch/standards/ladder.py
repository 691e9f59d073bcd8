"""The ladder: how much contact a record is.

Everything about a contact or visit but its worker and its time is its *kind*: who, by what channel or where, with what
outcome. There are some three thousand kinds, each with a number that is part of the stored form, so that a standard can
settle once, when it is loaded, which kinds satisfy it.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import get_args

from schemas.events import (
    COUNCIL_ROLES,
    WRITTEN_CHANNELS,
    Channel,
    Contact,
    ContactOutcome,
    Direction,
    Location,
    ThirdPartyRole,
    Visit,
    VisitOutcome,
)


class Rung(IntEnum):
    """From no contact at all to being seen at home."""

    NONE = 0
    ATTEMPTED = 1
    MESSAGED = 2
    SPOKE = 3
    SEEN = 4
    SEEN_AT_HOME = 5


RUNGS = {rung.name.lower(): rung for rung in Rung}
"""Rungs by the names policies use."""

VOID = -1
"""The kind number of a register whose record was entered in error."""

ROLES = (*COUNCIL_ROLES, *get_args(ThirdPartyRole))
_CHANNELS, _OUTCOMES, _DIRECTIONS = get_args(Channel), get_args(ContactOutcome), get_args(Direction)
LOCATIONS, _VISIT_OUTCOMES, _YES_NO = get_args(Location), get_args(VisitOutcome), (None, False, True)
_AT_HOME = ("home", "placement", "custody")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a record is apart from its worker and time. Contacts have a channel, visits a location; visits go `out`."""

    role: str
    outcome: str
    direction: str = "out"
    channel: str | None = None
    location: str | None = None
    announced: bool | None = None
    seen_alone: bool | None = None

    @property
    def by_council(self) -> bool:
        """A council role: only these can satisfy anything; third parties are kept and shown."""
        return self.role in COUNCIL_ROLES

    @property
    def written(self) -> bool:
        """By text, e-mail, letter or social media."""
        return self.channel in WRITTEN_CHANNELS

    @property
    def rung(self) -> Rung:
        """Its place on the ladder."""
        if self.outcome == "cancelled":
            return Rung.NONE
        if self.outcome == "seen":
            return Rung.SEEN_AT_HOME if self.location in _AT_HOME else Rung.SEEN
        if self.outcome != "completed":
            return Rung.ATTEMPTED
        if self.channel == "face_to_face":
            return Rung.SEEN
        return Rung.SPOKE if self.channel in ("phone", "video") else Rung.MESSAGED


def _contact_kinds() -> dict[tuple[str, str, str, str], int]:
    """(role, channel, direction, outcome) to number: 4 bits role, 4 channel, 1 direction, 3 outcome."""
    return {(ROLES[r], _CHANNELS[c], _DIRECTIONS[d], _OUTCOMES[o]): r << 8 | c << 4 | d << 3 | o
            for r, c, d, o in product(*(range(len(part)) for part in (ROLES, _CHANNELS, _DIRECTIONS, _OUTCOMES)))}


def _visit_kinds() -> dict[tuple[str, str, str, bool | None, bool | None], int]:
    """(role, location, outcome, announced, seen alone) to number: bit 15, 4 bits role, 4 location, 3 outcome, 2, 2."""
    parts = (ROLES, LOCATIONS, _VISIT_OUTCOMES, _YES_NO, _YES_NO)
    return {(ROLES[r], LOCATIONS[at], _VISIT_OUTCOMES[o], _YES_NO[n], _YES_NO[a]):
            1 << 15 | r << 11 | at << 7 | o << 4 | n << 2 | a
            for r, at, o, n, a in product(*(range(len(part)) for part in parts))}


CONTACT_KINDS, VISIT_KINDS = _contact_kinds(), _visit_kinds()
"""Numbers of kinds: of contacts by role, channel, direction and outcome; of visits by role, location, outcome, whether it was
announced, and whether the person was seen alone."""

KINDS: dict[int, Kind] = {
    **{number: Kind(role, outcome, direction, channel)
       for (role, channel, direction, outcome), number in CONTACT_KINDS.items()},
    **{number: Kind(role, outcome, location=at, announced=announced, seen_alone=alone)
       for (role, at, outcome, announced, alone), number in VISIT_KINDS.items()}}
"""Every kind there is, by its number."""

RUNG_OF: dict[int, Rung] = {number: kind.rung for number, kind in KINDS.items()}
BY_COUNCIL: frozenset[int] = frozenset(number for number, kind in KINDS.items() if kind.by_council)
MEETINGS: frozenset[int] = frozenset(number for number, rung in RUNG_OF.items() if rung >= Rung.SEEN)
"""Kinds by which a worker has met the person, whatever the role was."""


def kind_of(record: Contact | Visit) -> int:
    """The number of a record's kind."""
    if isinstance(record, Contact):
        return CONTACT_KINDS[record.worker_role, record.channel, record.direction, record.outcome]
    return VISIT_KINDS[record.worker_role, record.location, record.outcome, record.announced, record.seen_alone]
