"""The yearly return (SSDA903, table OC3) beside the records: who is counted in touch without a record behind it, which codes
contradict one another, and who is missing on either side. Pure.

The return counts a young person of 17 to 21 by what was so on or around their birthday, and one of 22 to 25 by the latest contact
in the year (guidance to the Standard Safeguarding Dataset). How wide "around" is could not be confirmed, so it is an argument.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from keepintouch.standards.ladder import BY_COUNCIL, RUNG_OF, Rung
from keepintouch.standards.person import Person

ACCOM = frozenset({"0", *(f"{letter}{digit}" for letter in "BCDEGHKRTUVWYZ" for digit in "12"), "S2", "X2"})
"""Accommodation: a letter, and 1 suitable or 2 not (no fixed abode and custody never are); 0: no information (rule 133)."""
ACTIV = frozenset({"0", *(f"{letter}{digit}" for letter in "FP" for digit in "1245"), "G4", "G5", "G6"})
"""Activity (rule 132 of the return)."""
IN_TOUCH = frozenset({"YES", "NO", "DIED", "REFU", "NREQ", "RHOM"})
"""Whether in touch (rule 131)."""

_OF_THE_RETURN = ("relevant", "former_relevant")
_BY_BIRTHDAY = range(17, 22)
_BY_YEAR = range(22, 26)
_FOYER_FROM = 18


class Matter(StrEnum):
    """What is wrong with one person's row."""

    NO_RECORD = "in touch without a record"
    ONLY_ATTEMPTS = "in touch, but only attempts are recorded"
    RECORD_BUT_NO = "not in touch, although a contact is recorded"
    CODES = "codes contradict one another"
    OTHER_CODE = "another code than the case system has"
    OTHER_BIRTH = "another date of birth than the case system has"
    NOT_IN_CASE_SYSTEM = "in the return and not in the case system's data"
    NOT_IN_RETURN = "in the case system's data and not in the return"
    TWICE = "in the return more than once"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of OC3. Codes are in capitals, without space."""

    row: int
    child: str
    born_on: date
    in_touch: str
    activ: str
    accom: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at. `child` is the case system's own id."""

    child: str
    matter: Matter
    detail: str


@dataclass(frozen=True, slots=True)
class Year:
    """The year of a return, 1 April to 31 March, and how wide a birthday is."""

    ending: int
    months_before: int = 3
    months_after: int = 1

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.ending - 1, 4, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return date(self.ending, 3, 31)

    def age(self, born_on: date) -> int:
        """The age reached on the birthday in this year."""
        return self._birthday(born_on).year - born_on.year

    def window(self, born_on: date) -> tuple[date, date]:
        """The days on which a contact makes someone in touch."""
        birthday = self._birthday(born_on)
        if self.age(born_on) in _BY_BIRTHDAY:
            return birthday - relativedelta(months=self.months_before), birthday + relativedelta(months=self.months_after)
        return self.first, self.last

    def _birthday(self, born_on: date) -> date:
        found = born_on + relativedelta(years=self.ending - 1 - born_on.year)   # of 29 February: the 28th
        return found if found >= self.first else born_on + relativedelta(years=self.ending - born_on.year)


def reconcile(lines: Iterable[Line], people: Mapping[str, Person], year: Year) -> Iterator[Finding]:
    """What does not agree; `people` are by the case system's id. In the order of the return, then whom it lacks, by id."""
    seen = set[str]()
    for line in lines:
        if line.child in seen:
            yield Finding(line.child, Matter.TWICE, f"row {line.row}")
            continue
        seen.add(line.child)
        for detail in contradictions(line, year):
            yield Finding(line.child, Matter.CODES, detail)
        person = people.get(line.child)
        if person is None:
            yield Finding(line.child, Matter.NOT_IN_CASE_SYSTEM, "")
        else:
            yield from _beside(line, person, year)
    for child, person in sorted(people.items()):
        facts = person.facts
        if child not in seen and facts is not None and facts.category in _OF_THE_RETURN:
            age = year.age(date.fromordinal(facts.born_on))
            if age in _BY_BIRTHDAY or (age in _BY_YEAR and facts.adviser_ref is not None):
                yield Finding(child, Matter.NOT_IN_RETURN, f"{facts.category}, {age} in the year")


def contradictions(line: Line, year: Year) -> Iterator[str]:
    """What in one row cannot all be so; the numbers are those of the return's validation rules."""
    if line.in_touch not in IN_TOUCH:
        yield "IN_TOUCH is no code of the return (131)"
    if line.activ not in ACTIV:
        yield "ACTIV is no code of the return (132)"
    if line.accom not in ACCOM:
        yield "ACCOM is no code of the return (133)"
    if line.in_touch == "YES" and "0" in (line.activ, line.accom):
        yield "IN_TOUCH is YES, and ACTIV or ACCOM is 0 (345)"
    if line.in_touch in ("DIED", "RHOM") and (line.activ, line.accom) != ("0", "0"):
        yield f"IN_TOUCH is {line.in_touch}, and ACTIV or ACCOM is not 0 (344)"
    if line.accom == "R1":
        yield "ACCOM is R1: a home that is not known cannot be suitable"
    if line.accom[:1] == "T" and year.age(line.born_on) < _FOYER_FROM:
        yield "ACCOM is a foyer under 18 (347)"
    if line.accom[:1] == "Z" and year.age(line.born_on) == _BY_BIRTHDAY[0]:
        yield "ACCOM is former foster carers at 17 (3001)"


def _beside(line: Line, person: Person, year: Year) -> Iterator[Finding]:
    facts = person.facts
    if facts is not None:
        if facts.born_on != line.born_on.toordinal():
            yield Finding(line.child, Matter.OTHER_BIRTH, "")
        if facts.in_touch is not None and facts.in_touch != line.in_touch:
            yield Finding(line.child, Matter.OTHER_CODE, f"{line.in_touch} in the return, {facts.in_touch} in the case system")
    first, last = year.window(line.born_on)
    rungs = [RUNG_OF[register.kind] for register in person.in_order()
             if register.kind in BY_COUNCIL and first.toordinal() <= register.day <= last.toordinal()]
    best, days = max(rungs, default=Rung.NONE), f"{first} to {last}"
    if line.in_touch == "YES" and best < Rung.MESSAGED:
        if best is Rung.ATTEMPTED:
            yield Finding(line.child, Matter.ONLY_ATTEMPTS, f"{sum(rung is Rung.ATTEMPTED for rung in rungs)} from {days}")
        else:
            yield Finding(line.child, Matter.NO_RECORD, f"none from {days}; {_latest(person, last)}")
    elif line.in_touch == "NO" and best >= Rung.MESSAGED:
        yield Finding(line.child, Matter.RECORD_BUT_NO, f"{sum(rung >= Rung.MESSAGED for rung in rungs)} from {days}")


def _latest(person: Person, last: date) -> str:
    days = [register.day for register in person.in_order()
            if register.kind in BY_COUNCIL and RUNG_OF[register.kind] >= Rung.MESSAGED and register.day <= last.toordinal()]
    return f"the latest before is of {date.fromordinal(max(days))}" if days else "none before either"


def latest_ended(today: date) -> int:
    """The year in which the latest return that is complete ended."""
    return today.year if (today.month, today.day) >= (4, 1) else today.year - 1
