"""What a person's facts alone settle on a day: which standards cover them, from when, and when that changes by itself."""
from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from .circumstances import Circumstances, circumstances, dateless, next_birthday, opt_out_review_on
from .clocks import Line
from .conditions import Conditions
from .person import Facts
from .policy import Policy, Standard, Start
from .questions import Questions


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Of one person on one day."""

    facts: Facts
    today: int
    reading: Reading
    now: Circumstances
    lines: tuple[Line, ...]
    """The standards that cover the person …"""
    starts: tuple[int, ...]
    """… and the `from` day of each."""
    wanted: int
    """Every question that must be answered."""
    next_change_on: int
    """The first day after today on which any of this may change without an event."""

    def holds(self, facts: Facts, today: int, reading: Reading) -> bool:
        """Whether it is about these."""
        return self.facts is facts and self.today == today and self.reading is reading


class Alike(NamedTuple):
    """What everybody has in common whose circumstances are alike, but for the days."""

    lines: tuple[Line, ...]
    wanted: int


class Reading:
    """A policy as evaluation reads it: its questions, and what has once been worked out for many people alike."""

    __slots__ = ("__weakref__", "_alike", "_lines", "_move_windows", "questions")

    def __init__(self, policy: Policy) -> None:
        self.questions = ask = Questions(policy.standards, policy.in_touch)
        self._lines = [Line(s, ask.needed(s), ask.meanwhile(s), s.rule in policy.cannot_see, {}) for s in policy.standards]
        self._move_windows = policy.move_windows
        self._alike: dict[tuple[object, ...], Alike] = {}

    def standing(self, facts: Facts, today: int) -> Standing:
        """What the facts settle on a London day number."""
        now = circumstances(facts, today)
        alike = self._alike_as(now)
        starts = [start_day(line.standard.start, facts) for line in alike.lines]
        lines = alike.lines if None not in starts else tuple([
            line for line, start in zip(alike.lines, starts, strict=True) if start is not None])
        return Standing(facts, today, self, now, lines, tuple([start for start in starts if start is not None]), alike.wanted,
                        self._next_change(facts, now))

    def _alike_as(self, now: Circumstances) -> Alike:
        recently = () if now.moved_on is None else tuple([now.today <= w.after(now.moved_on) for w in self._move_windows])
        key = dateless(now), recently
        found = self._alike.get(key)
        if found is None:
            lines = tuple(line for line in self._lines if covers(line.standard, now)) if now.in_scope else ()
            wanted = self.questions.in_touch | self.questions.meaningful
            for line in lines:
                wanted |= line.question | line.meanwhile
            found = self._alike[key] = Alike(lines, wanted)
        return found

    def _next_change(self, facts: Facts, now: Circumstances) -> int:
        today, soonest = now.today, next_birthday(facts.born_on, now.today)
        days = []
        if now.opted_out:
            days.append(opt_out_review_on(facts) + 1)
        if facts.no_face_to_face_until is not None:
            days.append(facts.no_face_to_face_until + 1)
        if now.moved_on is not None:
            days.extend([window.after(now.moved_on) + 1 for window in self._move_windows])
        return min([soonest, *[day for day in days if day > today]])


_readings: WeakKeyDictionary[Policy, Reading] = WeakKeyDictionary()


def reading_of(policy: Policy) -> Reading:
    """The one reading of a policy."""
    found = _readings.get(policy)
    if found is None:
        found = _readings[policy] = Reading(policy)
    return found


def covers(standard: Standard, now: Circumstances) -> bool:
    """Whether a standard's conditions hold for a person in scope."""
    return standard.when.failing(now) is None and not _excluded(standard.unless, now)


def _excluded(unless: Conditions | None, now: Circumstances) -> bool:
    return unless is not None and unless.failing(now) is None


def start_day(start: Start, facts: Facts) -> int | None:
    """The `from` day, never before `supported_since`; None: the standard does not apply."""
    if start is Start.SUPPORTED_SINCE:
        return facts.supported_since
    if start is Start.ACCOMMODATION_SINCE:
        stated = None if facts.home is None else facts.home.since
        if stated is None:
            return None
    elif start is Start.ADVISER_SINCE:
        stated = facts.adviser_since
    elif start is Start.PLAN_REVIEWED_ON:
        stated = facts.plan_reviewed_on
    elif start is Start.OFFER_MADE_ON:
        stated = facts.offer_made_on
    else:
        stated = opt_out_review_on(facts)
    return facts.supported_since if stated is None or stated < facts.supported_since else stated
