"""From what took place to what is written down: when it is typed up, what is put right later, what is struck out."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from keepintouch.simulator.draw import HOUR, at, between, working_from
from keepintouch.simulator.figures import Figures
from keepintouch.simulator.records import Draft

_EVENING = 21.0


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing the case system says about a record, at an instant; without a draft the record is voided."""

    recorded: int
    record: int          # number of the record within the person
    version: int
    draft: Draft | None


def type_up(rng: Random, drafts: list[Draft], figures: Figures) -> Iterator[Statement]:
    """The statements about these records, in no order."""
    spare = len(drafts)
    for number, draft in enumerate(drafts):
        recorded = _recorded(rng, draft, figures)
        chance = rng.random()
        if chance < figures.corrected.value:
            slip = between(rng, (1, 2))
            wrong = replace(draft, day=draft.day - slip, occurred=draft.occurred - slip * 24 * HOUR)
            yield Statement(recorded, number, 1, wrong)
            yield Statement(_days_later(rng, recorded, (1, 6)), number, 2, draft)
        else:
            yield Statement(recorded, number, 1, draft)
        if 1 - chance < figures.voided.value:
            # Entered twice; the second is struck out some days later.
            again = recorded + between(rng, (60, 1200))
            yield Statement(again, spare, 1, draft)
            yield Statement(_days_later(rng, again, (1, 9)), spare, 2, None)
            spare += 1


def _recorded(rng: Random, draft: Draft, figures: Figures) -> int:
    """When it is typed up: never before it was over, on working days, most of it soon."""
    chance = rng.random() - figures.same_day.value
    if chance < 0:
        return min(draft.occurred + between(rng, (600, 4 * HOUR)), max(at(draft.day, _EVENING), draft.occurred + 600))
    if (chance := chance - figures.next_day.value) < 0:
        later = 1
    elif chance < figures.some_days.value:
        later = between(rng, (2, 4))
    else:
        first, last = figures.tail_days.value
        later = min(last, first + int(rng.expovariate(1 / 6)))
    return _office_hour(rng, draft.day + later)


def _office_hour(rng: Random, day: int) -> int:
    return at(working_from(day), 8.5 + 9 * rng.random())


def _days_later(rng: Random, recorded: int, days: tuple[int, int]) -> int:
    return recorded + between(rng, days) * 24 * HOUR + between(rng, (0, HOUR))
