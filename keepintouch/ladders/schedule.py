"""When each step of one alert falls due, given what people have done about it. Pure.

A function of the whole history, worked out again after every change, so that the order in which alerts and actions are read
does not matter.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from keepintouch.calendar import london_midnight, next_day
from keepintouch.ladders.ladder import Delay, Ladder, Step, Target, Unit

LAPSE = Delay(5, Unit.WORKING_DAY)
"""How long an acknowledgement (or `seen already`, or `refused contact`) holds the ladder."""

LONGEST_HOLD = Delay(10, Unit.WORKING_DAY)
"""After an alert's first release nobody but a manager holds its ladder for longer: nobody can keep the manager from hearing."""

NOT_MINE = "not_mine"
"""Key of the step that goes to the manager when an adviser says that the person is not theirs."""

BACKFILL = "backfill"
"""Key of the step that puts an alert of the first look at the records into its manager's summary."""


class PassedOver(StrEnum):
    """Why a step will never go out although its alert is open."""

    CRITICAL = "critical_instead"
    MANAGER_FIRST = "manager_first"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did about the alert."""

    action_id: str
    action: str
    at: datetime
    until: date | None = None
    by_manager: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One step and the instant at which it falls due."""

    step: Step
    at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """All steps with their due instants, those already released too; what was passed over; until when a hold is on."""

    due: tuple[Due, ...]
    passed_over: Mapping[str, PassedOver]
    held_until: datetime | None
    manager_stands_in: bool

    def upcoming(self, released: Mapping[str, datetime]) -> Due | None:
        """The next step that has not been released."""
        return min((due for due in self.due if due.step.key not in released), key=lambda due: due.at, default=None)


@dataclass(frozen=True, slots=True)
class _Hold:
    at: datetime
    end: datetime
    by_manager: bool


@dataclass(slots=True)
class _Working:
    """What is being worked out: due instants, and which steps stand outside the ladder's order, since when."""

    ladder: Ladder
    released: Mapping[str, datetime]
    due: dict[str, Due]
    outside: dict[str, datetime]
    passed_over: dict[str, PassedOver]

    def unsent(self, hold: _Hold, end: datetime) -> list[Step]:
        """What a hold holds, first what is due first: not what went out meanwhile, nor what arose outside it later."""
        keys = [key for key in self.due if key not in self.passed_over
                and (key not in self.released or self.released[key] >= end)
                and self.outside.get(key, hold.at) <= hold.at]
        return [self.due[key].step for key in sorted(keys, key=lambda key: self.due[key].at)]

    def move(self, steps: Sequence[Step], to: datetime) -> None:
        """Put the first step at an instant; the later ones keep their distance from it."""
        first = steps[0]
        before = self.due[first.key].at
        for step in steps[1:]:
            self.due[step.key] = Due(step, self._after(first, step, to, self.due[step.key].at - before))
        self.due[first.key] = Due(first, to)

    def _after(self, first: Step, step: Step, at: datetime, elapsed: timedelta) -> datetime:
        gap = step.after.count - first.after.count
        units = {delay.unit for delay in (first.after, step.after) if delay.count}
        if gap >= 0 and len(units) <= 1 and not {first.key, step.key} & self.outside.keys():
            return self.ladder.later(at, replace(step.after, count=gap))
        return at + elapsed


def schedule(ladder: Ladder, opened_at: datetime, critical_at: datetime | None, acts: Sequence[Act],
             released: Mapping[str, datetime]) -> Schedule:
    """Work out when each step is due.

    `opened_at`: when the alert was first published; steps count from it until the first of them is released, and from that
    release afterwards. `critical_at`: when its severity became critical, if it did. `released`: when each step first went out.
    """
    acts = sorted(acts, key=lambda act: (act.at, act.action_id))
    base = min(released.values(), default=opened_at)
    working = _start(ladder, base, critical_at, released)
    handed = next((act for act in acts if act.action == "not_mine"), None)
    if handed is not None:
        working.due[NOT_MINE] = Due(Step(NOT_MINE, Delay(0, Unit.DAY), (Target.MANAGER,)), handed.at)
        working.outside[NOT_MINE] = handed.at
    holds = _holds(acts, ladder)
    cap = ladder.later(base, LONGEST_HOLD)
    for hold in holds:
        _apply(hold, cap, holds, working)
    due = sorted((due for key, due in working.due.items() if key not in working.passed_over), key=lambda due: due.at)
    return Schedule(tuple(due), working.passed_over, max((_end(hold, cap) for hold in holds), default=None),
                    handed is not None)


def _start(ladder: Ladder, base: datetime, critical_at: datetime | None, released: Mapping[str, datetime]) -> _Working:
    """The ladder as if nobody had done anything."""
    def due(steps: Sequence[Step], since: datetime) -> dict[str, Due]:
        return {step.key: Due(step, ladder.later(since, step.after)) for step in steps}
    first = ladder.steps[0]
    if critical_at is None or not ladder.critical:
        return _Working(ladder, released, due(ladder.steps, base), {}, {})
    if first.key in released and released[first.key] <= critical_at:   # it became critical after its first step
        outside = dict.fromkeys((step.key for step in ladder.critical), critical_at)
        return _Working(ladder, released, due(ladder.steps, base) | due(ladder.critical, critical_at), outside, {})
    since = max(base, critical_at)
    return _Working(ladder, released, due(ladder.critical, since) | due(ladder.steps[1:], base),
                    dict.fromkeys((step.key for step in ladder.critical), critical_at) if since > base else {},
                    {first.key: PassedOver.CRITICAL})


def _holds(acts: Sequence[Act], ladder: Ladder) -> list[_Hold]:
    holds = []
    planned = False
    for act in acts:
        if act.action in ("acknowledge", "seen_already", "refused"):
            end = ladder.later(act.at, LAPSE)
        elif act.action == "snooze" and act.until is not None:
            end = london_midnight(act.until)
        elif act.action == "plan_visit" and act.until is not None and not planned:
            planned, end = True, london_midnight(next_day(act.until))
        else:
            continue
        holds.append(_Hold(act.at, end, act.by_manager))
    return holds


def _end(hold: _Hold, cap: datetime) -> datetime:
    return hold.end if hold.by_manager else min(hold.end, cap)


def _apply(hold: _Hold, cap: datetime, holds: Sequence[_Hold], working: _Working) -> None:
    end = _end(hold, cap)
    unsent = working.unsent(hold, end)
    if not unsent or end <= hold.at:
        return
    if end < hold.end:   # it is cut short: a manager hears now, whatever stands before
        to_managers = next((n for n, step in enumerate(unsent) if step.to_managers), 0)
        working.passed_over |= dict.fromkeys((step.key for step in unsent[:to_managers]), PassedOver.MANAGER_FIRST)
        by_managers = [other.end for other in holds if other.by_manager and other.at <= cap]
        working.move(unsent[to_managers:], max([cap, *by_managers]))
    elif end > working.due[unsent[0].key].at:
        working.move(unsent, end)
