"""One person's year in plain facts: the day of birth, homes, advisers, and the styles in which they are kept in touch with."""
from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from keepintouch.simulator.draw import between, pick
from keepintouch.simulator.figures import Figures
from keepintouch.simulator.homes import Home, draw_home, moves
from keepintouch.simulator.patterns import PLACED, SILENCE, STRANGE_TEXTS, TEXTS, Kind, Style
from keepintouch.simulator.people import Sketch
from keepintouch.simulator.setting import Days


@dataclass(frozen=True, slots=True)
class Phase:
    """A style from a day until (not on) another."""

    start: int
    end: int
    style: Style


@dataclass(frozen=True, slots=True)
class Life:
    """What happens to one person. Homes and phases are in order; the first home is older than the first phase."""

    begins: int
    homes: tuple[Home, ...]
    phases: tuple[Phase, ...]
    need: str
    cohorts: tuple[str, ...]
    no_face_to_face_until: int | None

    def home_on(self, day: int) -> Home:
        """Where they live on a day."""
        return next((home for home in reversed(self.homes) if home.since <= day), self.homes[0])


def live(rng: Random, sketch: Sketch, days: Days, figures: Figures) -> Life:
    """Draw a person's life."""
    begins = max(days.first, sketch.supported_since)
    pattern = sketch.pattern
    wish = pattern.name == "phone_led" and rng.random() < figures.no_face_to_face.value * 8
    return Life(
        begins=begins, homes=tuple(_homes(rng, sketch, days, figures)), phases=tuple(_phases(rng, sketch, begins, days)),
        need="standard" if sketch.part else pick(rng, pattern.need),
        cohorts=tuple(slug for slug, share in figures.cohorts.value.items() if rng.random() < share),
        no_face_to_face_until=days.last + between(rng, (20, 200)) if wish else None)


def _homes(rng: Random, sketch: Sketch, days: Days, figures: Figures) -> list[Home]:
    """The homes; a placement ends at 18, and whose pattern comes with a kind of home moves there when it turns."""
    pattern = sketch.pattern
    long_ago = max(sketch.supported_since, days.first - between(rng, (30, 700)))
    if sketch.part:
        settled = Home(long_ago, "U", True, False, False)
        return [settled, *(replace(move.home, since=days.last + move.day) for move in sketch.part.moves)]
    unsettled = rng.random() < pattern.unsettled
    usual = figures.unsettled_homes.value if unsettled else figures.homes.value
    turned = days.first if sketch.turned_on is None else sketch.turned_on
    rate = (figures.moves_a_year_unsettled if unsettled else figures.moves_a_year).value
    dates = {long_ago, *moves(rng, max(days.first, long_ago), days.end, rate)}
    dates |= {day for day in (sketch.eighteen_on, turned if pattern.homes else 0) if long_ago < day < days.end}
    found: list[Home] = []
    for day in sorted(dates):
        placed, late = sketch.looked_after_on(day), day >= turned
        weights = figures.placements.value if placed else pattern.homes if late and pattern.homes else usual
        drawn = draw_home(rng, day, weights, figures, weights is figures.hostels.value, placed)
        if not found or drawn.hostel or (drawn.code, drawn.suitable) != (found[-1].code, found[-1].suitable):
            found.append(drawn)
    return found


def _phases(rng: Random, sketch: Sketch, begins: int, days: Days) -> list[Phase]:
    pattern = sketch.pattern
    if sketch.part:
        return [Phase(begins, days.last + sketch.part.from_day, pattern.before)]
    turned = sketch.turned_on
    if turned is not None and turned > begins:
        found = [Phase(begins, turned, pattern.before), Phase(turned, days.end, pattern.now)]
    else:
        found = [Phase(begins, days.end, pattern.now)]
    if rng.random() < pattern.spell:
        found = _with_spell(rng, found, begins, days)
    return _looked_after_first(found, sketch)


def _with_spell(rng: Random, phases: list[Phase], begins: int, days: Days) -> list[Phase]:
    """Some months of less, from which they came back in time."""
    length = between(rng, (70, 180))
    start = between(rng, (begins + 20, max(begins + 21, days.last - 70 - length)))
    end = min(start + length, days.last - 70)
    if end - start < 30:
        return phases
    style = (SILENCE, SILENCE, TEXTS, TEXTS, STRANGE_TEXTS)[int(rng.random() * 5)]
    whole = phases[-1]
    return [*phases[:-1], Phase(whole.start, start, whole.style), Phase(start, end, style), Phase(end, whole.end, whole.style)]


def _looked_after_first(phases: list[Phase], sketch: Sketch) -> list[Phase]:
    """A social worker visits until 18, whatever comes then."""
    begins, until = phases[0].start, min(sketch.eighteen_on, phases[-1].end)
    if until <= begins or not sketch.looked_after_on(begins):
        return phases
    later = [replace(phase, start=max(phase.start, until)) for phase in phases if phase.end > until]
    return [Phase(begins, until, PLACED), *later]


def out_of_scope(sketch: Sketch) -> bool:
    """Whether no standard applies to them from when their pattern turned."""
    return sketch.pattern.kind is Kind.OUT_OF_SCOPE
