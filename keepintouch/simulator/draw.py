"""Drawing at random and reckoning in days: small helpers that every part of the simulator shares.

A day is a proleptic ordinal (`date.toordinal`) in Europe/London, an instant a whole number of seconds since 1970, UTC.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from random import Random
from typing import TypeVar

from keepintouch.calendar import is_working_day, london_midnight

K = TypeVar("K")
HOUR = 3600


def stream(*names: object) -> Random:
    """A random stream of its own for these names: the same on every machine and in every version of Python."""
    text = "/".join(map(str, names))
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))  # noqa: S311 – nothing secret


def pick(rng: Random, weights: Mapping[K, float]) -> K:
    """One key, as likely as its weight."""
    at = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        at -= weight
        if at < 0:
            return key
    return next(key for key in reversed(list(weights)) if weights[key] > 0)


def between(rng: Random, ends: tuple[int, int]) -> int:
    """A whole number from the first to the last, both included."""
    return ends[0] + int(rng.random() * (ends[1] - ends[0] + 1))


def shared_out(total: int, weights: Mapping[K, float]) -> dict[K, int]:
    """Whole numbers that add up to the total and are as near to the weights as can be (largest remainder)."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    counts = {key: int(value) for key, value in exact.items()}
    by_rest = sorted(exact, key=lambda key: counts[key] - exact[key])
    for key in by_rest[:total - sum(counts.values())]:
        counts[key] += 1
    return counts


@lru_cache(maxsize=16_384)
def midnight(day: int) -> int:
    """The instant a London day begins."""
    return int(london_midnight(date.fromordinal(day)).timestamp())


@lru_cache(maxsize=16_384)
def working(day: int) -> bool:
    """Whether a day is a working day."""
    return is_working_day(date.fromordinal(day))


def working_from(day: int) -> int:
    """The day itself, else the first working day after it."""
    while not working(day):
        day += 1
    return day


def at(day: int, hour: float) -> int:
    """The instant of an hour of a London day (an hour off on the two nights when the clocks change)."""
    return midnight(day) + int(hour * HOUR)


def instant(seconds: int) -> datetime:
    """The same as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
