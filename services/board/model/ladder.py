"""Who hears of an alert next, and about when: the council's ladder, what has gone out, and what people answered. Pure.

The notifier decides, by the ladder that the council had when the alert opened; that one is on no topic, so pages go by the one
the council has now, and say so. Everything else is the notifier's own reckoning.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from keepintouch.calendar import london_day
from keepintouch.ladders.ladder import Ladder, Target, next_open
from keepintouch.ladders.schedule import Act, schedule
from services.board.model.log import OUTSIDE_LADDER, WENT_OUT, held_for
from services.board.model.records import Action, Alert, Note

_TOLD = WENT_OUT | {"merged"}
_CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class NextStep:
    """Whom it is for, and the day."""

    to: tuple[str, ...]
    on: date
    held: bool = False
    """Somebody's answer holds the ladder until then."""


def next_step(alert: Alert, ladder: Ladder, notes: Sequence[Note], actions: Sequence[Action],
              is_manager: frozenset[str], now: datetime) -> NextStep | None:
    """The first step that has not gone out; None where only the weekly message remains, or the alert texts nobody."""
    if alert.mode == "backfill" or not alert.is_open:
        return None
    out = {note.step: note.at for note in reversed(notes)
           if note.step not in OUTSIDE_LADDER and (note.state in _TOLD or note.reason == "trial")}
    let_go = [action.at for action in actions if action.action == "release"]
    acts = [Act(each.action_id, each.action, each.at, each.until, each.actor_ref in is_manager) for each in actions]
    found = schedule(ladder, max([alert.detected_at, *let_go]), _critical_since(alert, ladder, out, now), acts, out)
    due = found.upcoming(out)
    if due is None:
        return None
    to = [Target.MANAGER if each is Target.ADVISER and found.manager_stands_in else each for each in due.step.to]
    on = london_day(next_open(max(due.at, now), ladder.calendar, ladder.closed))
    held = found.held_until is not None and now < found.held_until <= due.at
    return NextStep(tuple(dict.fromkeys(map(str, to))), on, held)


def storm_holds(notes: Sequence[Note]) -> bool:
    """Whether an alert waits with many others for a release, by its records, oldest first."""
    return held_for(notes, "storm") is not None


def _critical_since(alert: Alert, ladder: Ladder, out: Mapping[str, datetime], now: datetime) -> datetime | None:
    """Since when an alert is critical, as far as what went out shows it."""
    if alert.severity != _CRITICAL or not ladder.critical:
        return None
    told = [at for key, at in out.items() if key.partition("-")[0] == _CRITICAL]
    if told:
        return min(told)
    return now if ladder.steps[0].key in out else alert.detected_at
