"""The people, in their stored bytes: found by council, team and adviser, decoded only when they are looked at."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from sys import intern
from typing import NamedTuple

from keepintouch.standards import stored
from keepintouch.standards.person import Person
from schemas.common import council_of


class Place(NamedTuple):
    """Where a person belongs: what decides who may see them."""

    ref: str
    adviser_ref: str | None
    team_ref: str | None

    @property
    def council(self) -> str:
        """The part of the ref before the colon."""
        return council_of(self.ref)


class People:
    """Everybody of whom a snapshot is held. Someone erased is not here."""

    def __init__(self) -> None:
        self._stored: dict[str, bytes] = {}
        self._places: dict[str, Place] = {}
        self._of_adviser: dict[str, set[str]] = defaultdict(set)
        self._of_team: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._of_council: dict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._stored)

    def put(self, ref: str, value: bytes | None) -> None:
        """Take over a person's stored form; None: gone. `stored.StoredFormError` for what is not one."""
        facts = None if value is None else stored.facts(value)
        if value is None or facts is None:
            self._remove(ref)
            return
        adviser = None if facts.adviser_ref is None else intern(facts.adviser_ref)
        team = None if facts.team_ref is None else intern(facts.team_ref)
        before = self._places.get(ref)
        if before is None or before.adviser_ref != adviser or before.team_ref != team:
            self._remove(ref)
            place = self._places[ref] = Place(ref, adviser, team)
            self._of_council[place.council].add(ref)
            if adviser is not None and council_of(adviser) == place.council:   # of another one: a mistake, which shows nobody
                self._of_adviser[adviser].add(ref)
            if team is not None:
                self._of_team[place.council, team].add(ref)
        self._stored[ref] = value

    def stored(self, ref: str) -> bytes | None:
        """The stored form as it is now: another object whenever anything has changed."""
        return self._stored.get(ref)

    def person(self, ref: str) -> Person | None:
        """The person, decoded anew at each call."""
        value = self._stored.get(ref)
        return None if value is None else stored.load(value)

    def place(self, ref: str) -> Place | None:
        """Where a person belongs; None for one who is not known."""
        return self._places.get(ref)

    def of_council(self, council: str) -> frozenset[str]:
        """Refs of a council's people."""
        return frozenset(self._of_council.get(council, ()))

    def of_advisers(self, advisers: Iterable[str]) -> frozenset[str]:
        """Refs of the people of some advisers, each of the adviser's own council."""
        return frozenset().union(*(self._of_adviser.get(adviser, ()) for adviser in advisers))

    def of_teams(self, council: str, teams: Iterable[str]) -> frozenset[str]:
        """Refs of the people of some teams of a council."""
        return frozenset().union(*(self._of_team.get((council, team), ()) for team in teams))

    def _remove(self, ref: str) -> None:
        place = self._places.pop(ref, None)
        self._stored.pop(ref, None)
        if place is not None:
            self._of_council[place.council].discard(ref)
            if place.adviser_ref is not None:
                self._of_adviser[place.adviser_ref].discard(ref)
            if place.team_ref is not None:
                self._of_team[place.council, place.team_ref].discard(ref)
