"""One standard held against one person on one day: where its clock started, when it is due, when it opens."""
from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from .circumstances import opt_out_review_on
from .history import History
from .intervals import LAST_DAY
from .person import Facts, Register
from .policy import Policy, Standard, Start

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


@dataclass(frozen=True, slots=True)
class Clock:
    """The outcome for one standard. Days are day numbers; `due_on` and `opens_on` are None where nothing can be due."""

    standard: Standard
    state: State
    why: Why
    anchor_on: int
    anchor: Register | None = None
    """The anchoring record, if a record is the anchor; of a standard satisfied once, the record that did it."""
    due_on: int | None = None
    opens_on: int | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the council's data can show today."""

    today: int
    feeds: frozenset[str]
    marks: FeedMarks

    def complete_through(self, day: int) -> bool:
        """Whether every required feed is in up to a day."""
        return all(self.marks.get(feed, 0) >= day for feed in self.feeds)


def start_day(standard: Standard, facts: Facts) -> int | None:
    """The `from` day, never before `supported_since`; None: the standard does not apply."""
    stated: int | None
    match standard.start:
        case Start.SUPPORTED_SINCE:
            stated = facts.supported_since
        case Start.ADVISER_SINCE:
            stated = facts.adviser_since
        case Start.ACCOMMODATION_SINCE:
            stated = facts.home.since if facts.home is not None else None
            if stated is None:
                return None
        case Start.PLAN_REVIEWED_ON:
            stated = facts.plan_reviewed_on
        case Start.OFFER_MADE_ON:
            stated = facts.offer_made_on
        case Start.OPT_OUT_REVIEW_ON:
            stated = opt_out_review_on(facts)
    return facts.supported_since if stated is None else max(stated, facts.supported_since)


def read_clock(standard: Standard, start: int, history: History, policy: Policy, sight: Sight,
               open_anchors: Set[int]) -> Clock:
    """How a standard that covers a person stands; `open_anchors` are the anchor days of its rule's open alerts."""
    anchor_on, anchor = start, None
    if standard.needs is not None:
        if standard.recurring:
            newest = next(history.satisfying(standard.needs, newest_first=True), None)
            if newest is not None and newest.day >= start:
                anchor_on, anchor = newest.day, newest
        elif (done := _satisfied_once(standard, start, history)) is not None:
            return Clock(standard, State.OK, Why.SATISFIED_ONCE, start, done)
    due_on = standard.interval.after(anchor_on)
    if standard.despite is not None:
        nth = next(islice(history.meanwhile(standard.despite, anchor, anchor_on), standard.despite.count - 1, None), None)
        if nth is None:
            return Clock(standard, State.OK, Why.NOT_ENOUGH_MEANWHILE, anchor_on, anchor)
        due_on = max(due_on, nth.day)
    last_day = standard.grace.after(due_on)
    opens_on = min(last_day + 1, LAST_DAY)
    state, why = _state(standard, policy, sight, due_on, last_day, anchor_on in open_anchors)
    return Clock(standard, state, why, anchor_on, anchor, due_on, opens_on)


def _satisfied_once(standard: Standard, start: int, history: History) -> Register | None:
    assert standard.needs is not None
    return next((r for r in history.satisfying(standard.needs) if standard.needs.ever or r.day >= start), None)


def _state(standard: Standard, policy: Policy, sight: Sight, due_on: int, last_day: int, is_open: bool) -> tuple[State, Why]:
    unseen = standard.rule in policy.cannot_see
    if sight.today <= last_day or last_day == LAST_DAY:
        soon = not unseen and sight.today >= policy.warn.before(due_on)
        return (State.DUE_SOON if soon else State.OK), Why.NOT_YET
    if unseen:
        return State.UNKNOWN, Why.CANNOT_SEE
    if standard.needs is None or sight.complete_through(last_day):
        return State.OVERDUE, Why.PAST_ITS_DAY
    return (State.OVERDUE, Why.STAYS_OPEN) if is_open else (State.UNKNOWN, Why.FEEDS_BEHIND)
