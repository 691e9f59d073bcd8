"""How long after a contact it is typed up."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from keepintouch.standards.instants import day_of
from keepintouch.standards.ladder import VOID
from keepintouch.standards.person import Person

BANDS: tuple[tuple[str, int], ...] = (("the same day", 0), ("the next day", 1), ("2 to 5 days", 5), ("6 to 14 days", 14))
"""Each with its last day; what is later has a band of its own."""
LATER = "later than 14 days"


@dataclass(frozen=True, slots=True)
class Lags:
    """Records by how long they took to be typed up; of no record there is no median."""

    records: int
    bands: dict[str, int]
    median_days: float | None
    before: int
    """Typed up on a day before the contact is said to have been."""


def lags(people: Iterable[Person], today: int, stood_in_at: int | None = None) -> Lags:
    """Over every record that holds, of days until today, and says when it was typed up; voided ones have no day any more.

    `stood_in_at`: the `recorded_at` of records that do not say.
    """
    days = [day_of(register.recorded_at) - register.day for person in people for register in person.registers.values()
            if register.kind != VOID and register.day <= today and register.recorded_at != stood_in_at]
    counts = {name: 0 for name, _ in BANDS} | {LATER: 0}
    for lag in days:
        counts[next((name for name, last in BANDS if lag <= last), LATER)] += 1
    return Lags(len(days), counts, float(median(days)) if days else None, sum(lag < 0 for lag in days))
