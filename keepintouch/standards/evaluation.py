"""Evaluation: pure, by day. What is overdue for one person today, what is unknown, and the headlines."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from schemas.alerts import SEVERITIES, Severity

from .circumstances import Circumstances, circumstances, dateless, next_birthday, opt_out_review_on
from .clocks import Clock, FeedMarks, Sight, State, read_clock, start_day
from .history import History
from .intervals import LAST_DAY, Interval
from .ladder import Rung
from .person import Facts, Person
from .policy import Policy, Standard
from .published import AlertKey


@dataclass(frozen=True, slots=True)
class Finding:
    """An alert that is open today: the clock that opened first, and the worst severity of the rule's open standards."""

    rule: str
    clock: Clock
    severity: Severity

    @property
    def key(self) -> AlertKey:
        """Rule and anchor day."""
        return self.rule, self.clock.anchor_on


@dataclass(frozen=True, slots=True)
class Evaluation:
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
    facts = person.facts
    if facts is None:
        return None
    now, history = circumstances(facts, today), History(person, today)
    sight = Sight(today, policy.feeds | more_feeds, marks)
    clocks = _clocks(facts, now, history, policy, sight, open_alerts) if now.in_scope else ()
    findings = _findings(clocks)
    found = {finding.rule for finding in findings}
    unknown = sorted({c.standard.rule for c in clocks if c.state is State.UNKNOWN} - found)
    in_touch_on = history.newest(policy.in_touch.rung)
    meaningful_on = history.newest(Rung.SPOKE, known_below=Rung.SEEN)
    return Evaluation(
        today, now.in_scope,
        _lasts(in_touch_on, policy.in_touch.within, today), _lasts(meaningful_on, policy.meaningful_within, today),
        clocks, findings, tuple(unknown),
        _next_change(facts, now, history, policy, clocks, in_touch_on, meaningful_on), history)


def covers(standard: Standard, now: Circumstances) -> bool:
    """Whether a standard's conditions hold for a person in scope."""
    return standard.when.failing(now) is None and (standard.unless is None or standard.unless.failing(now) is not None)


def covering(policy: Policy, now: Circumstances) -> tuple[Standard, ...]:
    """The standards of a policy that cover a person in scope, in its order; worked out once for all in the same circumstances."""
    recently = () if now.moved_on is None else tuple(now.today <= w.after(now.moved_on) for w in policy.move_windows)
    same = dateless(now), recently
    found = policy.coverage.get(same)
    if found is None:
        found = policy.coverage[same] = tuple(standard for standard in policy.standards if covers(standard, now))
    return found


def _clocks(facts: Facts, now: Circumstances, history: History, policy: Policy, sight: Sight,
            open_alerts: Iterable[AlertKey]) -> tuple[Clock, ...]:
    anchors: dict[str, set[int]] = {}
    for rule, anchor_on in open_alerts:
        anchors.setdefault(rule, set()).add(anchor_on)
    return tuple(read_clock(standard, start, history, policy, sight, anchors.get(standard.rule, frozenset()))
                 for standard in covering(policy, now) if (start := start_day(standard, facts)) is not None)


def _findings(clocks: tuple[Clock, ...]) -> tuple[Finding, ...]:
    """Per rule the clock that opened first (then the earlier in the list), with the worst severity among the open ones."""
    open_clocks: dict[str, list[Clock]] = {}
    for clock in clocks:
        if clock.state is State.OVERDUE:
            open_clocks.setdefault(clock.standard.rule, []).append(clock)
    return tuple(Finding(rule, min(ones, key=_opening), max((c.standard.severity for c in ones), key=SEVERITIES.index))
                 for rule, ones in sorted(open_clocks.items()))


def _opening(clock: Clock) -> tuple[int, int]:
    assert clock.opens_on is not None
    return clock.opens_on, clock.standard.place


def _lasts(day: int | None, within: Interval, today: int) -> bool:
    return day is not None and within.after(day) >= today


@lru_cache(maxsize=65_536)
def _warning_day(warn: Interval, due_on: int) -> int:
    return warn.before(due_on)


def _next_change(facts: Facts, now: Circumstances, history: History, policy: Policy, clocks: tuple[Clock, ...],
                 in_touch_on: int | None, meaningful_on: int | None) -> int:
    days = [next_birthday(facts.born_on, now.today)]
    days.extend(register.day for register in history.later)
    if now.opted_out:
        days.append(opt_out_review_on(facts) + 1)
    if facts.no_face_to_face_until is not None:
        days.append(facts.no_face_to_face_until + 1)
    if now.moved_on is not None:
        days.extend(window.after(now.moved_on) + 1 for window in policy.move_windows)
    if in_touch_on is not None:
        days.append(policy.in_touch.within.after(in_touch_on) + 1)
    if meaningful_on is not None:
        days.append(policy.meaningful_within.after(meaningful_on) + 1)
    for clock in clocks:
        if clock.due_on is not None and clock.opens_on is not None:
            days.append(clock.opens_on)
            days.append(_warning_day(policy.warn, clock.due_on))
    return min((day for day in days if day > now.today), default=LAST_DAY)
