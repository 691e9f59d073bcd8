"""How good the data is: what is filled in, what contradicts itself, what belongs to nobody."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keepintouch.standards.circumstances import OPT_OUT_CODES
from keepintouch.standards.identifiers import unpack
from keepintouch.standards.instants import day_of, first_instant
from keepintouch.standards.intervals import Interval, Unit
from keepintouch.standards.ladder import KINDS, VOID
from keepintouch.standards.person import Person, Register

from .measures import Measure
from .subject import Subject

_ADULT = 18
_TOO_EARLY = Interval(14 * 12, Unit.MONTHS)
"""After birth: nobody has leaving-care contact before."""


class Doubt(StrEnum):
    """Something that contradicts something else."""

    SAME_TWICE = "same_twice"
    TYPED_UP_BEFORE = "typed_up_before"
    MET_WITHOUT_ANSWER = "met_without_answer"
    BEFORE_14 = "before_14"
    TO_COME = "to_come"
    HELD_YES = "held_yes"
    HELD_NO = "held_no"
    SUITABLE_NOWHERE = "suitable_nowhere"
    OPTED_OUT_UNDATED = "opted_out_undated"
    AGE_AND_CATEGORY = "age_and_category"
    LOOKED_AFTER_ADULT = "looked_after_adult"
    NOT_IN_PEOPLE = "not_in_people"


DOUBT_WORDS: dict[Doubt, str] = {
    Doubt.SAME_TWICE: "entered twice: same person, worker, time and kind",
    Doubt.TYPED_UP_BEFORE: "typed up on a day before it took place",
    Doubt.MET_WITHOUT_ANSWER: "face to face, yet nobody answered",
    Doubt.BEFORE_14: "dated before the young person was 14",
    Doubt.TO_COME: "dated after the day of the report, so it does not count yet",
    Doubt.HELD_YES: "held as in touch (YES), but no two-way contact is recorded that is recent enough",
    Doubt.HELD_NO: "held as not in touch (NO), but there is recent two-way contact",
    Doubt.SUITABLE_NOWHERE: "home not known, no fixed abode or custody, yet recorded as suitable",
    Doubt.OPTED_OUT_UNDATED: "opted out, but neither since when nor until when",
    Doubt.AGE_AND_CATEGORY: "age and leaving-care category do not fit",
    Doubt.LOOKED_AFTER_ADULT: "18 or over, yet recorded as still looked after",
    Doubt.NOT_IN_PEOPLE: "contacts or visits of someone who is not in the people file: they count for nobody",
}
"""What each means."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """One contradiction: about whom, and in which record (none: in the facts)."""

    doubt: Doubt
    ref: str
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """How many of something say what they should."""

    what: str
    have: int
    of: int


@dataclass(frozen=True, slots=True)
class Quality:
    """What there is to say of the data."""

    filled: tuple[Filled, ...]
    doubts: tuple[Doubtful, ...]
    without_record: int
    """People in scope of whom there is no contact or visit at all, not even an attempt."""
    of_nobody: int
    """Records of people who are not in the people file."""

    @property
    def by_doubt(self) -> Mapping[Doubt, int]:
        """How often there is each."""
        return Counter(found.doubt for found in self.doubts)


def quality(people: Mapping[str, Person], subjects: Sequence[Subject], today: int) -> Quality:
    """Look at everything that was read, and at the people in scope."""
    strangers = {ref: person for ref, person in people.items() if person.facts is None and person.erased_at is None}
    doubts = [found for subject in subjects for found in _of_facts(subject)]
    for ref, person in people.items():
        if ref in strangers:
            if person.registers:
                doubts.append(Doubtful(Doubt.NOT_IN_PEOPLE, ref))
        else:
            doubts += _of_records(ref, person, today)
    return Quality(
        tuple(_filled(people.values(), subjects)), tuple(sorted(doubts, key=lambda d: (d.doubt, d.ref, d.record_id or ""))),
        sum(not people[subject.ref].registers for subject in subjects),
        sum(len(person.registers) for person in strangers.values()))


def _of_facts(subject: Subject) -> Iterator[Doubtful]:
    facts, home = subject.facts, subject.facts.home
    of_child, of_adult = facts.category in ("eligible", "relevant"), facts.category == "former_relevant"
    checks = (
        (Doubt.HELD_YES, facts.in_touch == "YES" and not subject.holds[Measure.IN_TOUCH]),
        (Doubt.HELD_NO, facts.in_touch == "NO" and subject.holds[Measure.IN_TOUCH]),
        (Doubt.SUITABLE_NOWHERE, home is not None and home.code in ("R", "S", "X") and home.suitable is True),
        (Doubt.OPTED_OUT_UNDATED,
         facts.in_touch in OPT_OUT_CODES and facts.in_touch_since is None and facts.opt_out_review_on is None),
        (Doubt.AGE_AND_CATEGORY, (of_child and subject.age >= _ADULT) or (of_adult and subject.age < _ADULT)),
        (Doubt.LOOKED_AFTER_ADULT, facts.looked_after and subject.age >= _ADULT))
    for doubt, holds in checks:
        if holds:
            yield Doubtful(doubt, subject.ref)


def _of_records(ref: str, person: Person, today: int) -> Iterator[Doubtful]:
    seen = set[tuple[int, int, int]]()
    begins = 0 if person.facts is None else first_instant(_TOO_EARLY.after(person.facts.born_on))
    ends = first_instant(today + 1)
    for register in person.in_order():
        if register.kind == VOID:
            continue
        for doubt in _of_record(register, begins, ends):
            yield Doubtful(doubt, ref, unpack(register.record_id))
        same = register.occurred_at, register.kind, register.worker
        if same in seen:
            yield Doubtful(Doubt.SAME_TWICE, ref, unpack(register.record_id))
        seen.add(same)


def _of_record(register: Register, begins: int, ends: int) -> Iterator[Doubt]:
    """`begins`, `ends`: between which instants it should lie."""
    kind, occurred_at = KINDS[register.kind], register.occurred_at
    if register.recorded_at < occurred_at and day_of(register.recorded_at) < register.day:
        yield Doubt.TYPED_UP_BEFORE
    if kind.channel == "face_to_face" and kind.outcome in ("no_reply", "left_message"):
        yield Doubt.MET_WITHOUT_ANSWER
    if occurred_at < begins:
        yield Doubt.BEFORE_14
    if occurred_at >= ends:
        yield Doubt.TO_COME


def _filled(people: Iterable[Person], subjects: Sequence[Subject]) -> Iterator[Filled]:
    """Shares of records, of all that hold, then of the people in scope."""
    kinds, named = Counter[int](), 0
    for person in people:
        for register in person.registers.values():
            if register.kind != VOID:
                kinds[register.kind] += 1
                named += register.worker >= 0
    contacts = [(KINDS[number], count) for number, count in kinds.items() if KINDS[number].channel is not None]
    visits = [(KINDS[number], count) for number, count in kinds.items() if KINDS[number].location is not None]
    all_contacts, all_visits = sum(n for _, n in contacts), sum(n for _, n in visits)
    if all_contacts:
        yield Filled("Contacts that say by what channel", sum(n for k, n in contacts if k.channel != "other"), all_contacts)
    if all_visits:
        yield Filled("Visits that say where", sum(n for k, n in visits if k.location != "other"), all_visits)
        yield Filled("Visits that say whether they were announced", sum(n for k, n in visits if k.announced is not None),
                     all_visits)
        yield Filled("Visits that say whether the young person was seen alone",
                     sum(n for k, n in visits if k.seen_alone is not None), all_visits)
    if kinds:
        yield Filled("Contacts and visits that say by whom", named, all_contacts + all_visits)
    facts = [subject.facts for subject in subjects]
    homes = [f.home for f in facts if f.home is not None]
    if facts:
        yield from (Filled(what, have, len(facts)) for what, have in (
            ("People with a code of the national return (in touch or not)", sum(f.in_touch is not None for f in facts)),
            ("People with a personal adviser", sum(f.adviser_ref is not None for f in facts)),
            ("People whose adviser's first day is known", sum(f.adviser_since is not None for f in facts)),
            ("People with a team", sum(f.team_ref is not None for f in facts)),
            ("People whose kind of home is known", sum(home.code is not None for home in homes)),
            ("People whose home is known to be suitable or not", sum(home.suitable is not None for home in homes)),
            ("People whose day of moving in is known", sum(home.since is not None for home in homes)),
            ("People whose last pathway-plan review is known", sum(f.plan_reviewed_on is not None for f in facts))))
