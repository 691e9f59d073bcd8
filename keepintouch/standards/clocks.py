"""One standard held against one person on one day: where its clock started, when it is due, when it opens."""
from __future__ import annotations

from collections.abc import Container, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from .history import History
from .intervals import LAST_DAY, Interval
from .person import Register
from .policy import Standard

FeedMarks = Mapping[str, int]
"""The greatest `complete_through` (day number) of each feed of one council."""


class State(StrEnum):
    """How a standard that covers someone stands today."""

    OK = "ok"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"
    UNKNOWN = "unknown"
    """Past its day, but what would settle it is not in yet, or is not recorded at all."""


class Why(StrEnum):
    """Why it stands so."""

    SATISFIED_ONCE = "satisfied_once"
    NOT_ENOUGH_MEANWHILE = "not_enough_meanwhile"
    """A `despite` counted fewer records than it takes."""
    NOT_YET = "not_yet"
    """The day it opens is still to come."""
    PAST_ITS_DAY = "past_its_day"
    FEEDS_BEHIND = "feeds_behind"
    CANNOT_SEE = "cannot_see"
    STAYS_OPEN = "stays_open"
    """The feeds are behind, but its alert was open before."""


class Clock(msgspec.Struct, frozen=True, gc=False):
    """The outcome for one standard. Days are day numbers; the last three are None where nothing can be due."""

    standard: Standard
    state: State
    why: Why
    anchor_on: int
    anchor: Register | None = None
    """The anchoring record, if a record is the anchor; of a standard satisfied once, the record that did it."""
    due_on: int | None = None
    opens_on: int | None = None
    warned_on: int | None = None


class Sight(msgspec.Struct, frozen=True, gc=False):
    """What the council's data can show today."""

    today: int
    feeds: frozenset[str]
    marks: FeedMarks

    def complete_through(self, day: int) -> bool:
        """Whether every required feed is in up to a day."""
        return all(self.marks.get(feed, 0) >= day for feed in self.feeds)


class Days(NamedTuple):
    """What follows from an anchor day, as day numbers."""

    due_on: int
    last_day: int
    """The due day with its grace."""
    opens_on: int
    warned_on: int
    """From when on it is due soon."""


class Line(NamedTuple):
    """A standard as evaluation reads it: the same for everybody whom it covers."""

    standard: Standard
    question: int
    """Which record satisfies it, see `questions`; 0 where it needs none."""
    meanwhile: int
    """Which its `despite` counts; 0 without one."""
    unseen: bool
    """It is about what the council's case system does not record."""
    days: dict[int, Days]
    """By anchor day, once worked out."""


class Newest(NamedTuple):
    """The newest record that answers a question."""

    register: Register
    day: int
    """London day number on which it occurred."""


def read_clock(line: Line, start: int, answers: Mapping[int, Newest], history: History, warn: Interval, sight: Sight,
               open_anchors: Container[int]) -> Clock:
    """How a standard that covers a person stands.

    `start` is the `from` day; `open_anchors` are the anchor days of its rule's open alerts.
    """
    standard, question, meanwhile, unseen, known_days = line
    anchor_on, anchor, newest = start, None, answers.get(question)
    if newest is not None:
        if standard.recurring:
            if newest.day >= start:
                anchor, anchor_on = newest
        elif (needs := standard.needs) is not None and (needs.ever or newest.day >= start):
            return Clock(standard, State.OK, Why.SATISFIED_ONCE, start,
                         next(history.satisfying(needs, 0 if needs.ever else start)))
    days = known_days.get(anchor_on)
    if days is None:
        days = known_days[anchor_on] = _days(standard, standard.interval.after(anchor_on), warn)
    if meanwhile:
        nth = _nth_meanwhile(standard, answers.get(meanwhile), history, anchor, anchor_on)
        if nth is None:
            return Clock(standard, State.OK, Why.NOT_ENOUGH_MEANWHILE, anchor_on, anchor)
        if nth.day > days.due_on:
            days = _days(standard, nth.day, warn)
    due_on, last_day, opens_on, warned_on = days
    if sight.today <= last_day or last_day == LAST_DAY:
        state, why = State.DUE_SOON if sight.today >= warned_on and not unseen else State.OK, Why.NOT_YET
    else:
        state, why = _past_its_day(line, sight, last_day, anchor_on in open_anchors)
    return Clock(standard, state, why, anchor_on, anchor, due_on, opens_on, warned_on)


def _nth_meanwhile(standard: Standard, last: Newest | None, history: History, anchor: Register | None,
                   anchor_on: int) -> Register | None:
    """The record since the anchor with which a `despite` is fulfilled; `last` is the newest it might count."""
    despite = standard.despite
    assert despite is not None
    if last is None or (last.day < anchor_on if anchor is None else last.register.occurred_at <= anchor.occurred_at):
        return None
    return history.nth_meanwhile(despite, anchor, anchor_on)


def _past_its_day(line: Line, sight: Sight, last_day: int, is_open: bool) -> tuple[State, Why]:
    if line.unseen:
        return State.UNKNOWN, Why.CANNOT_SEE
    if line.standard.needs is None or sight.complete_through(last_day):
        return State.OVERDUE, Why.PAST_ITS_DAY
    return (State.OVERDUE, Why.STAYS_OPEN) if is_open else (State.UNKNOWN, Why.FEEDS_BEHIND)


def _days(standard: Standard, due_on: int, warn: Interval) -> Days:
    last_day = standard.grace.after(due_on)
    return Days(due_on, last_day, min(last_day + 1, LAST_DAY), warn.before(due_on))
