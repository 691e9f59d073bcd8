"""A policy: a flat list of standards, each one generic clock. Every rule is data; nothing here knows a rule by name."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from schemas.alerts import Severity

from .conditions import Conditions
from .intervals import NONE, Interval
from .ladder import BY_COUNCIL, KINDS, Kind, Rung


class Who(StrEnum):
    """Whose record satisfies a standard."""

    ANY = "any"
    KNOWN = "known"
    """A worker who had met the person at or before the record."""
    ADVISER = "adviser"
    """The current personal adviser."""


class Start(StrEnum):
    """The day a clock starts from when no record has satisfied the standard."""

    SUPPORTED_SINCE = "supported_since"
    ADVISER_SINCE = "adviser_since"
    ACCOMMODATION_SINCE = "accommodation_since"
    PLAN_REVIEWED_ON = "plan_reviewed_on"
    OFFER_MADE_ON = "offer_made_on"
    OPT_OUT_REVIEW_ON = "opt_out_review_on"


class Miss(StrEnum):
    """Why a record does not satisfy a standard, or does not count in a `despite`."""

    THIRD_PARTY = "third_party"
    RUNG = "rung"
    ROLE = "role"
    LOCATION = "location"
    ANNOUNCED = "announced"
    SEEN_ALONE = "seen_alone"
    CHANNEL = "channel"
    DIRECTION = "direction"
    STRANGER = "stranger"
    KNOWN = "known"
    NOT_ADVISER = "not_adviser"


@dataclass(frozen=True)
class Needs:
    """Which record satisfies a standard: that rung or higher, by whom, in what role, where."""

    rung: Rung
    by: Who = Who.ANY
    roles: frozenset[str] | None = None
    announced: bool | None = None
    seen_alone: bool | None = None
    at: frozenset[str] | None = None
    ever: bool = False

    def miss(self, kind: Kind) -> Miss | None:
        """Why no record of this kind satisfies, by whomever; None where it does."""
        misses = (
            (not kind.by_council, Miss.THIRD_PARTY),
            (kind.rung < self.rung, Miss.RUNG),
            (self.roles is not None and kind.role not in self.roles, Miss.ROLE),
            (self.at is not None and kind.location not in self.at, Miss.LOCATION),
            (self.announced is not None and kind.announced is not self.announced, Miss.ANNOUNCED),
            (self.seen_alone is not None and kind.seen_alone is not self.seen_alone, Miss.SEEN_ALONE))
        return next((miss for missed, miss in misses if missed), None)

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The kinds that satisfy, settled once."""
        return frozenset(number for number in BY_COUNCIL if self.miss(KINDS[number]) is None)


@dataclass(frozen=True)
class Despite:
    """The other contact there must have been meanwhile for a standard to open at all."""

    rung: Rung | None = None
    rung_is: Rung | None = None
    written: bool = False
    direction: str | None = None
    by_stranger: bool = False
    count: int = 1

    def miss(self, kind: Kind) -> Miss | None:
        """Why no record of this kind counts; None where it does."""
        least = self.rung if self.rung is not None or self.rung_is is not None else Rung.ATTEMPTED
        misses = (
            (not kind.by_council, Miss.THIRD_PARTY),
            (least is not None and kind.rung < least, Miss.RUNG),
            (self.rung_is is not None and kind.rung is not self.rung_is, Miss.RUNG),
            (self.written and not kind.written, Miss.CHANNEL),
            (self.direction is not None and kind.direction != self.direction, Miss.DIRECTION))
        return next((miss for missed, miss in misses if missed), None)

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The kinds that count, settled once."""
        return frozenset(number for number in BY_COUNCIL if self.miss(KINDS[number]) is None)


@dataclass(frozen=True)
class Standard:
    """One clock: whom it covers, what satisfies it, when it opens. `place` is its place in the effective list."""

    id: str
    place: int
    rule: str
    text: str
    basis: str
    severity: Severity
    interval: Interval
    recurring: bool
    """True: `every` interval. False: once, `within` the interval."""
    when: Conditions
    unless: Conditions | None = None
    needs: Needs | None = None
    start: Start = Start.SUPPORTED_SINCE
    despite: Despite | None = None
    grace: Interval = NONE


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure for the whole council: a record of enough weight within a time."""

    rung: Rung
    within: Interval


@dataclass(frozen=True, eq=False)
class Policy:
    """The effective policy: what it inherits comes first."""

    id: str
    version: int | str
    title: str
    in_touch: Headline
    meaningful_within: Interval
    warn: Interval
    feeds: frozenset[str]
    cannot_see: frozenset[str]
    standards: tuple[Standard, ...]

    @cached_property
    def rules(self) -> dict[str, tuple[Standard, ...]]:
        """The standards of each rule, in the order of the list."""
        found: dict[str, list[Standard]] = {}
        for standard in self.standards:
            found.setdefault(standard.rule, []).append(standard)
        return {rule: tuple(standards) for rule, standards in found.items()}

    @cached_property
    def move_windows(self) -> frozenset[Interval]:
        """Every `moved_within` in it: days on which a standard may stop to cover someone."""
        return frozenset(window for s in self.standards for c in (s.when, s.unless) if c is not None for window in c.move_windows)
