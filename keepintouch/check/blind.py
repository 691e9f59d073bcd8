"""What the files cannot show: standards that rest on something no column feeds, and facts that nobody ever has.

A standard that rests on what no column feeds is not held against anyone, and the report says so: an alert under it would only say
that it is not in the file.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keepintouch.standards import sentences
from keepintouch.standards.ladder import KINDS, VOID, Rung
from keepintouch.standards.person import Facts, Person
from keepintouch.standards.policy import Needs, Policy, Standard, Start, Who

Fields = frozenset[str]
"""Any of these would do."""

_WORKER: Fields = frozenset({"contact.worker_ref", "visit.worker_ref"})
SEEN_IN: Fields = frozenset({"contact.channel", "visit.outcome"})
"""What says that somebody was seen."""
_ADVISER: Fields = frozenset({"person.adviser_ref"})
_STARTS: dict[Start, Fields] = {
    Start.PLAN_REVIEWED_ON: frozenset({"person.plan_reviewed_on"}), Start.OFFER_MADE_ON: frozenset({"person.offer_made_on"}),
    Start.ACCOMMODATION_SINCE: frozenset({"person.accommodation.since"})}
"""Days without which nothing can be told. Without an adviser's first day it can: the clock starts when support did."""


@dataclass(frozen=True, slots=True)
class Blind:
    """What is not told of a rule, and why: `whole` if nothing is, else of the one standard."""

    rule: str
    text: str
    why: str
    whole: bool


def seeing(policy: Policy, unfed: Fields) -> tuple[Policy, tuple[Blind, ...]]:
    """The policy without what the files cannot show, and what that is. Where every field is fed it is the policy itself."""
    found = [Blind(rule, sentences.rule(rule), "the policy says that the case system does not record it", True)
             for rule in sorted(policy.cannot_see)]
    unseen, dropped = set[str](), set[int]()
    for rule, standards in policy.rules.items():
        if rule in policy.cannot_see:
            continue
        missing = {s.place: lacking for s in standards if (lacking := _lacking(s, unfed)) is not None}
        whole = len(missing) == len(standards)
        if whole:
            unseen.add(rule)
        else:
            dropped.update(missing)
        told = dict.fromkeys((sentences.rule(rule) if whole else s.text, missing[s.place])
                             for s in standards if s.place in missing)
        found += [Blind(rule, text, f"no column says {why}", whole) for text, why in told]
    if not unseen and not dropped:
        return policy, tuple(found)
    kept = tuple(standard for standard in policy.standards if standard.place not in dropped)
    return replace(policy, cannot_see=policy.cannot_see | unseen, standards=kept), tuple(found)


def never_told(policy: Policy, facts: Sequence[Facts], people: Iterable[Person]) -> tuple[str, ...]:
    """Sentences about what no record and nobody's facts ever say, where a standard of the policy asks for it."""
    kinds = {register.kind for person in people for register in person.registers.values() if register.kind != VOID}
    said = [KINDS[number] for number in kinds]
    standards = [standard for standard in policy.standards if standard.rule not in policy.cannot_see]
    asked = [standard.needs for standard in standards if standard.needs is not None]
    conditions = {name for s in standards for c in (s.when, s.unless) if c is not None for name, _ in c.stated}
    checks = (
        (not said, "No contact and no visit is in the files: only what the people file itself holds can be told."),
        (said and not any(kind.rung >= Rung.SEEN for kind in said),
         "No record says that anyone was seen. If visits are kept elsewhere, add that file."),
        (said and any(n.rung is Rung.SEEN_AT_HOME or n.at for n in asked) and not any(k.rung is Rung.SEEN_AT_HOME for k in said),
         "No record says that anyone was seen at home, at the placement or in custody."),
        (said and any(needs.announced is not None for needs in asked) and all(kind.announced is None for kind in said),
         "No visit is recorded as announced or unannounced, so unannounced visits show as missing."),
        (said and any(needs.seen_alone is not None for needs in asked) and all(kind.seen_alone is None for kind in said),
         "No visit says whether the young person was seen alone, so that shows as missing."),
        ("hostel" in conditions and facts and not any(f.home and f.home.hostel for f in facts),
         "Nobody is marked as living in a hostel, so standards for hostels cover nobody."),
        ("council_provided" in conditions and facts and not any(f.home and f.home.council_provided for f in facts),
         "Nobody's home is marked as provided by the council, so the law's visits to such homes cover nobody."),
        ("accommodation" in conditions and facts and not any(f.home and f.home.code for f in facts),
         "Nobody's kind of home is recorded, so standards for some homes cover nobody."),
        (facts and all(f.adviser_ref is None for f in facts),
         "Nobody has a personal adviser in the files, so everything about advisers is about their absence."))
    return tuple(sentence for holds, sentence in checks if holds)


def _lacking(standard: Standard, unfed: Fields) -> str | None:
    """What a standard rests on and no column feeds, to follow "no column says"."""
    asks: list[tuple[Fields, str]] = [] if standard.needs is None else list(_of_needs(standard.needs))
    if standard.despite is not None:
        if standard.despite.by_stranger:
            asks.append((_WORKER, "by whom a contact was"))
        if standard.despite.written:
            asks.append((frozenset({"contact.channel"}), "by what channel a contact was"))
        if standard.despite.direction == "in":   # where nothing says so, a note is taken as being of what its writer did
            asks.append((frozenset({"contact.direction"}), "who contacted whom"))
    if standard.start is Start.ADVISER_SINCE:
        asks.append((_ADVISER, "who their personal adviser is"))
    if standard.start in _STARTS:
        asks.append((_STARTS[standard.start], sentences.start(standard.start)))
    return next((words for fields, words in asks if fields <= unfed), None)


def _of_needs(needs: Needs) -> Iterable[tuple[Fields, str]]:
    if needs.by is not Who.ANY:
        yield _WORKER, "by whom a contact or visit was"
    if needs.by is Who.ADVISER:
        yield _ADVISER, "who their personal adviser is"
    if needs.rung >= Rung.SEEN:
        yield SEEN_IN, "who was seen"
    elif needs.rung is Rung.SPOKE:
        yield frozenset({"contact.channel"}), "by what channel a contact was"
    if needs.rung is Rung.SEEN_AT_HOME or needs.at is not None:
        yield frozenset({"visit.location"}), "where a visit was"
    if needs.announced is not None:
        yield frozenset({"visit.announced"}), "whether a visit was announced"
    if needs.seen_alone is not None:
        yield frozenset({"visit.seen_alone"}), "whether they were seen alone"
