"""Evaluation: pure, by day. What is overdue for one person today, what is unknown, and the headlines."""
from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.alerts import SEVERITIES, Severity

from .clocks import Clock, FeedMarks, Newest, Sight, State, read_clock
from .history import History
from .intervals import LAST_DAY, Interval
from .person import Person
from .policy import Policy
from .published import AlertKey
from .standing import Standing, reading_of


class Finding(msgspec.Struct, frozen=True, gc=False):
    """An alert that is open today: the clock that opened first, and the worst severity of the rule's open standards."""

    rule: str
    clock: Clock
    severity: Severity

    @property
    def key(self) -> AlertKey:
        """Rule and anchor day."""
        return self.rule, self.clock.anchor_on


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """One person on one day."""

    today: int
    in_scope: bool
    in_touch: bool
    meaningful: bool
    clocks: tuple[Clock, ...]
    """Every standard that covers the person, in the order of the policy."""
    findings: tuple[Finding, ...]
    """What is open, sorted by rule."""
    unknown: tuple[str, ...]
    """Rules with an unknown standard and no open one, sorted."""
    next_change_on: int
    """The first day after today on which any of this may change without an event."""
    history: History


def evaluate(person: Person, policy: Policy, today: int, marks: FeedMarks, open_alerts: Iterable[AlertKey] = (),
             more_feeds: frozenset[str] = frozenset()) -> Evaluation | None:
    """Hold a policy against a person on a London day number; None where no snapshot of the person is held.

    `marks`: how far each feed of the person's council is complete. `open_alerts`: what is open now, for feeds that are
    behind. `more_feeds`: feeds required besides the policy's own.
    """
    if person.facts is None:
        return None
    reckoned = _reckoned(person, policy, today)
    standing, history, answers = reckoned.standing, reckoned.history, reckoned.answers
    questions = standing.reading.questions
    reckoned.read_clocks(policy.warn, Sight(today, policy.feeds | more_feeds if more_feeds else policy.feeds, marks), open_alerts)
    clocks = tuple(reckoned.clocks)
    findings, unknown = _findings(clocks)
    in_touch_on = _newest_day(answers, questions.in_touch)
    meaningful_on = _newest_day(answers, questions.meaningful)
    return Evaluation(
        today, standing.now.in_scope,
        _lasts(in_touch_on, policy.in_touch.within, today), _lasts(meaningful_on, policy.meaningful_within, today),
        clocks, findings, unknown, _next_change(standing, history, policy, clocks, in_touch_on, meaningful_on), history)


class Reckoned:
    """How far a person has been evaluated on a day: kept with them, so that next time only what has come since is looked at."""

    __slots__ = ("_feeds", "_stale", "answers", "clocks", "history", "standing")

    def __init__(self, person: Person, standing: Standing) -> None:
        self.standing = standing
        self.history = History(person, standing.today)
        self.answers = standing.reading.questions.answer(self.history, standing.wanted)
        self.clocks: list[Clock] = []
        self._stale = standing.wanted
        """Questions that have found another answer since the clocks were read."""
        self._feeds = frozenset[str]()
        """Feeds that were required then."""

    def catch_up(self) -> bool:
        """Take in what has come since; False if more has changed than new records."""
        came = self.history.catch_up()
        if came is None:
            return False
        self._stale |= self.standing.reading.questions.answer_anew(self.history, came, self.standing.wanted, self.answers)
        return True

    def read_clocks(self, warn: Interval, sight: Sight, open_alerts: Iterable[AlertKey]) -> None:
        """Read every clock; where no feed is waited for, only those that a new answer may have changed."""
        history, answers, stale, clocks = self.history, self.answers, self._stale, self.clocks
        lines, starts = self.standing.lines, self.standing.starts
        if clocks and not sight.feeds and not self._feeds:
            for place, line in enumerate(lines):
                if (line.question | line.meanwhile) & stale:
                    clocks[place] = read_clock(line, starts[place], answers, history, warn, sight, ())
        else:
            anchors: dict[str, set[int]] = {}
            for rule, anchor_on in open_alerts:
                anchors.setdefault(rule, set()).add(anchor_on)
            self.clocks = [read_clock(line, start, answers, history, warn, sight, anchors.get(line.standard.rule, ()))
                           for line, start in zip(lines, starts, strict=True)]
        self._stale, self._feeds = 0, sight.feeds


def _reckoned(person: Person, policy: Policy, today: int) -> Reckoned:
    facts, reading, held = person.facts, reading_of(policy), person.reckoned
    assert facts is not None
    same = held is not None and held.standing.holds(facts, today, reading)
    if held is None or not same or not held.catch_up():
        held = Reckoned(person, held.standing if held is not None and same else reading.standing(facts, today))
        person.reckoned = held
    return held


def _findings(clocks: tuple[Clock, ...]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Per rule the clock that opened first (then the earlier in the list), with the worst severity among the open ones.

    And the rules that are unknown and have none open.
    """
    open_clocks: dict[str, list[Clock]] = {}
    unknown = set[str]()
    for clock in clocks:
        if clock.state is State.OVERDUE:
            open_clocks.setdefault(clock.standard.rule, []).append(clock)
        elif clock.state is State.UNKNOWN:
            unknown.add(clock.standard.rule)
    if not open_clocks and not unknown:
        return (), ()
    return (tuple([Finding(rule, min(ones, key=_opening), max((c.standard.severity for c in ones), key=SEVERITIES.index))
                   for rule, ones in sorted(open_clocks.items())]),
            tuple(sorted(unknown - open_clocks.keys())))


def _opening(clock: Clock) -> tuple[int, int]:
    assert clock.opens_on is not None
    return clock.opens_on, clock.standard.place


def _newest_day(answers: dict[int, Newest], questions: int) -> int | None:
    """Day of the newest record that answers any of some questions."""
    days = [newest.day for question, newest in answers.items() if question & questions]
    return max(days) if days else None


def _lasts(day: int | None, within: Interval, today: int) -> bool:
    return day is not None and within.after(day) >= today


def _next_change(standing: Standing, history: History, policy: Policy, clocks: tuple[Clock, ...],
                 in_touch_on: int | None, meaningful_on: int | None) -> int:
    today, soonest = standing.today, standing.next_change_on
    days = [register.day for register in history.later]
    if in_touch_on is not None:
        days.append(policy.in_touch.within.after(in_touch_on) + 1)
    if meaningful_on is not None:
        days.append(policy.meaningful_within.after(meaningful_on) + 1)
    for clock in clocks:
        if clock.opens_on is not None and clock.warned_on is not None and clock.opens_on > today:
            days.append(clock.opens_on)
            days.append(clock.warned_on)
    for day in days:
        if today < day < soonest:
            soonest = day
    return min(soonest, LAST_DAY)
