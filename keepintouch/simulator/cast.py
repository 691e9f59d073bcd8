"""The people in whom the story of `lancashire-2017` can be told, and what is written about them around the last day.

Days count from the last day of history (28 February 2017, a Tuesday); what comes after is the afterwards. The days are chosen
for a standard of eight weeks from one meeting to the next with a grace of two working days for typing it up.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from keepintouch.simulator.homes import Home
from schemas.events import Channel, ContactOutcome, Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Seen by their adviser; typed up within the hour, or at `recorded` (day and hour)."""

    day: int
    hour: float = 14.0
    location: Location = "home"
    recorded: tuple[int, float] | None = None
    voided: tuple[int, float] | None = None
    tells: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message or call by their adviser, typed up within the hour."""

    day: int
    hour: float = 11.0
    channel: Channel = "text"
    outcome: ContactOutcome = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move, typed up at that hour."""

    day: int
    hour: float
    home: Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One role: whom it stands for among the patterns, and what happens. Ordinary contact goes before, until `from_day`."""

    role: str
    what: str
    stands_for: str
    from_day: int
    script: tuple[Met | Said | Moved, ...]
    opens: int | None = None          # the day at whose midnight an alert opens of its own accord
    age: int = 19

    @property
    def moves(self) -> tuple[Moved, ...]:
        """The moves in the script."""
        return tuple(action for action in self.script if isinstance(action, Moved))


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    """A part as it was played: who, and the event that tells (`event_id`, at `at`), or the midnight at which time itself does."""

    role: str
    what: str
    case_id: str
    person_ref: str
    adviser_ref: str
    at: datetime
    event_id: str | None
    record_id: str | None = field(default=None)


def _in_between(*days: int) -> tuple[Said, ...]:
    """Texts on these days, the first and then every third without an answer."""
    return tuple(Said(day=day, hour=10 + abs(day) % 6, outcome="completed" if n % 3 else "no_reply")
                 for n, day in enumerate(days))


def _falls_due(n: int, seen: int, opens: int) -> Part:
    return Part(
        role=f"due_{n}", stands_for="well_served", from_day=seen - 8, opens=opens,
        what="Last seen eight weeks ago, and nothing happens: the alert opens at midnight of its own accord",
        script=(Met(day=seen), *_in_between(-45, -30, -8), Said(day=-20, channel="phone")))


PARTS: tuple[Part, ...] = (
    Part(role="late_visit", stands_for="well_served", from_day=-68,
         what="Seen in time, but typed up six days later: the alert that opened meanwhile is withdrawn",
         script=(Met(day=-60), Said(day=-40, channel="phone"), Said(day=-18, channel="phone"), *_in_between(-30, -9),
                 Met(day=-4, hour=15.5, recorded=(2, 10.1), tells=True))),
    Part(role="clearing_visit", stands_for="text_only", from_day=-118,
         what="Only texts for months; a visit clears the alerts",
         script=(Met(day=-112), *_in_between(-98, -84, -71, -57, -44, -30, -17, -6), Met(day=3, hour=11.0, tells=True))),
    Part(role="bed_and_breakfast", stands_for="well_served", from_day=-48,
         what="Moved to bed and breakfast, where five weeks without being seen are too long: the alert opens at once",
         script=(Met(day=-39), Said(day=-14, channel="phone"), *_in_between(-27, -5),
                 Moved(day=2, hour=14.35, home=Home(2, "W", False, True, False)))),
    Part(role="voided_visit", stands_for="well_served", from_day=-85,
         what="The last visit had been entered in error; it is voided, and the alert opens at once",
         script=(Met(day=-77, location="office"), *_in_between(-63, -50, -36, -22, -7),
                 Met(day=-14, voided=(3, 9.5), tells=True))),
    _falls_due(1, seen=-60, opens=1),
    _falls_due(2, seen=-56, opens=3),
    _falls_due(3, seen=-55, opens=4),
)
