"""Where people live, and how they move: one after another, in the mix that councils report."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random

from keepintouch.simulator.draw import pick
from keepintouch.simulator.figures import Figures, Weights

_SHORTEST_STAY = 9


@dataclass(frozen=True, slots=True)
class Home:
    """A home from a day on; `code` is the letter of SSDA903 ACCOM, None for a foster placement."""

    since: int
    code: str | None
    suitable: bool | None
    provided: bool
    hostel: bool


def draw_home(rng: Random, since: int, weights: Weights, figures: Figures, hostel: bool, placed: bool) -> Home:
    """A home of this mix. `hostel` makes it one; of a placement nothing is provided under leaving-care law."""
    code = pick(rng, weights)
    by_code = figures.suitable.value
    suitable = None if code == "R" else rng.random() < by_code.get(code, by_code[""])
    return Home(since, code or None, suitable, not placed and rng.random() < figures.provided.value.get(code, 0.0),
                hostel or (not placed and rng.random() < figures.hostel.value.get(code, 0.0)))


def moves(rng: Random, first_day: int, end: int, a_year: float) -> list[int]:
    """The days on which somebody moves, never within days of the move before."""
    found = []
    day = float(first_day)
    while (day := day + max(_SHORTEST_STAY, rng.expovariate(a_year / 365))) < end:
        found.append(int(day))
    return found
