"""A person's circumstances on one day: what conditions are held against."""
from __future__ import annotations

from datetime import date
from functools import lru_cache
from operator import attrgetter

import msgspec

from .intervals import LAST_DAY, Interval, Unit
from .person import Facts

OPT_OUT_CODES = frozenset({"REFU", "NREQ", "RHOM"})
_OPT_OUT_LASTS = Interval(6, Unit.MONTHS)
FIRST_AGE, AGE_TOO_OLD = 16, 25


class Circumstances(msgspec.Struct, frozen=True, gc=False):
    """Facts of one person as of `today` (a day number). Without a home `hostel` and `council_provided` are false."""

    today: int
    age: int
    category: str
    code: str | None
    suitable: bool | None
    council_provided: bool
    hostel: bool
    moved_on: int | None
    need: str
    looked_after: bool
    no_face_to_face: bool
    in_touch: str | None
    opted_out: bool
    has_adviser: bool

    @property
    def in_scope(self) -> bool:
        """Whether anything applies at all: 16 to 24, of a leaving-care category, alive."""
        return self.category != "none" and self.in_touch != "DIED" and FIRST_AGE <= self.age < AGE_TOO_OLD


dateless = attrgetter(*(name for name in Circumstances.__struct_fields__ if name not in {"today", "moved_on"}))
"""All of someone's circumstances but the two that are days: few people differ in these."""


def circumstances(facts: Facts, today: int) -> Circumstances:
    """What holds for a person on a day."""
    home, wish = facts.home, facts.no_face_to_face_until
    return Circumstances(
        today, age_on(facts.born_on, today), facts.category,
        home.code if home else None, home.suitable if home else None,
        home is not None and home.council_provided, home is not None and home.hostel, home.since if home else None,
        facts.need, facts.looked_after, wish is not None and today <= wish, facts.in_touch,
        facts.in_touch in OPT_OUT_CODES and today <= opt_out_review_on(facts), facts.adviser_ref is not None)


@lru_cache(maxsize=65_536)
def age_on(born_on: int, today: int) -> int:
    """Whole years; someone born on 29 February has a birthday on 1 March in other years."""
    born, day = date.fromordinal(born_on), date.fromordinal(today)
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@lru_cache(maxsize=65_536)
def next_birthday(born_on: int, today: int) -> int:
    """The first day after today on which the person is a year older."""
    born, year = date.fromordinal(born_on), date.fromordinal(today).year
    this_year = _birthday(born, year)
    return this_year if this_year > today else _birthday(born, year + 1)


def _birthday(born: date, year: int) -> int:
    if year > date.max.year:
        return LAST_DAY
    try:
        return born.replace(year=year).toordinal()
    except ValueError:  # born on 29 February
        return date(year, 3, 1).toordinal()


def opt_out_review_on(facts: Facts) -> int:
    """When a refusal must be looked at again: the day stated, else six months after it was set (or support began)."""
    if facts.opt_out_review_on is not None:
        return facts.opt_out_review_on
    return _OPT_OUT_LASTS.after(facts.supported_since if facts.in_touch_since is None else facts.in_touch_since)
