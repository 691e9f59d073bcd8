"""The hidden patterns: how a young person is really kept in touch with, which makes the story that the records tell."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from keepintouch.simulator.figures import FIGURES, Weights

Gap = tuple[int, int]
"""Days from one contact to the next: least and most."""


class By(Enum):
    """Who keeps in touch."""

    ADVISER = "adviser"
    STRANGERS = "strangers"          # duty, and an adviser who never met them
    SOCIAL_WORKER = "social worker"  # and the adviser


class Kind(Enum):
    """What a pattern comes to on the last day, over the three months before it."""

    MEANINGFUL = "meaningful"
    IN_TOUCH = "in touch, not meaningful"
    OUT_OF_TOUCH = "out of touch"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How somebody is kept in touch with for a while: the days between contacts of each kind; None is never.

    `seen` and `spoke` may take up to 8 days more (a failed visit first) and 4 more (a holiday).
    """

    seen: Gap | None = None
    spoke: Gap | None = None
    written: Gap | None = None
    tried: Gap | None = None      # calls and visits that come to nothing
    inbound: Gap | None = None
    staff: Gap | None = None      # by accommodation staff: never counts
    answered: float = 0.6         # share of written messages that are
    by: By = By.ADVISER


ORDINARY = Style(seen=(24, 40), spoke=(24, 50), written=(18, 40), inbound=(50, 120))
BY_PHONE = Style(seen=(70, 110), spoke=(14, 32), written=(20, 40), inbound=(50, 120))
PLACED = Style(seen=(18, 36), spoke=(35, 70), written=(40, 80), inbound=(90, 150), by=By.SOCIAL_WORKER)
TEXTS = Style(written=(9, 26), inbound=(60, 120))
FEW_TEXTS = Style(written=(25, 40), answered=0.3)
STRANGERS = Style(spoke=(18, 36), written=(16, 32), inbound=(60, 120), by=By.STRANGERS)
STRANGE_TEXTS = Style(written=(10, 28), answered=0.5, by=By.STRANGERS)
ATTEMPTS = Style(tried=(10, 26), written=(22, 40), answered=0.0)
SILENCE = Style()
HOSTEL = Style(seen=(18, 34), spoke=(20, 40), written=(14, 30), tried=(40, 80), staff=(12, 24), inbound=(60, 100))
HOSTEL_STAFF = Style(written=(18, 34), staff=(8, 18), answered=0.4)
CUSTODY = Style(seen=(28, 40), written=(30, 60), answered=0.2, staff=(40, 70))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern: what it is like now, what it was like before, and how many days before the last day it turned."""

    name: str
    kind: Kind
    now: Style
    before: Style = ORDINARY
    turned: Gap | None = None                 # None: it was always so
    ages: Mapping[int, float] = field(default_factory=lambda: FIGURES.ages.value)
    homes: Weights | None = None              # since it turned; None: as everybody
    need: Weights = field(default_factory=lambda: FIGURES.needs.value)
    unsettled: float = FIGURES.unsettled.value
    code: str = "YES"                         # SSDA903 IN_TOUCH since it turned
    spell: float = 0.0                        # share with a poor spell some months ago, from which they came back


_ALL = (
    Pattern(name="placed", kind=Kind.MEANINGFUL, now=PLACED, ages=FIGURES.placed_ages.value, unsettled=0.02),
    Pattern(name="well_served", kind=Kind.MEANINGFUL, now=ORDINARY, spell=0.6),
    Pattern(name="phone_led", kind=Kind.MEANINGFUL, now=BY_PHONE, spell=0.6),
    Pattern(name="hostel_supported", kind=Kind.MEANINGFUL, now=HOSTEL, homes=FIGURES.hostels.value, turned=(60, 300),
            need={"enhanced": 40, "high": 60}, unsettled=0.6),
    Pattern(name="custody_visited", kind=Kind.MEANINGFUL, now=CUSTODY, homes={"X": 1}, turned=(60, 300), need={"high": 1},
            unsettled=0.0),
    Pattern(name="stale", kind=Kind.IN_TOUCH, now=FEW_TEXTS, turned=(61, 82)),
    Pattern(name="text_only", kind=Kind.IN_TOUCH, now=TEXTS, turned=(98, 480)),
    Pattern(name="text_strangers", kind=Kind.IN_TOUCH, now=STRANGE_TEXTS, turned=(98, 400)),
    Pattern(name="hostel_left_to_staff", kind=Kind.IN_TOUCH, now=HOSTEL_STAFF, homes=FIGURES.hostels.value, turned=(98, 420),
            need={"enhanced": 40, "high": 60}, unsettled=0.6),
    Pattern(name="strangers_only", kind=Kind.IN_TOUCH, now=STRANGERS, turned=(98, 400)),
    Pattern(name="attempts_only", kind=Kind.IN_TOUCH, now=ATTEMPTS, turned=(98, 350)),
    Pattern(name="drifting", kind=Kind.OUT_OF_TOUCH, now=SILENCE, turned=(102, 480)),
    Pattern(name="opted_out", kind=Kind.OUT_OF_TOUCH, now=SILENCE, turned=(102, 600), code="REFU"),
    Pattern(name="lost", kind=Kind.OUT_OF_TOUCH, now=SILENCE, homes={"R": 60, "S": 40}, turned=(102, 400), code="NO",
            unsettled=0.0),
    Pattern(name="out_of_scope", kind=Kind.OUT_OF_SCOPE, now=SILENCE, turned=(102, 300)),
)

PATTERNS: Mapping[str, Pattern] = {pattern.name: pattern for pattern in _ALL}
