"""What to do with a step that has fallen due: hold it, or gather it for the recipient's next release. Pure.

At the release itself every step is looked at once more, with the same function.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from keepintouch.councils import Limits
from keepintouch.ladders.ladder import Calendar, Target, is_open, next_open, opening_after
from keepintouch.ladders.schedule import BACKFILL
from services.notifier.recipient import Circumstances, Concern, Nobody, Recipient, Waits, resolve

CRITICAL_WAITS = timedelta(seconds=1)
"""How long a critical alert is gathered at most."""

NOBODY_RETRY = timedelta(minutes=15)
"""How often it is tried again when nobody at all can be reached."""

class HeldReason(StrEnum):
    """Why a step that is due does not go out."""

    OUTSIDE_HOURS = "outside_hours"
    NOT_WORKING = "not_working"     # the recipient's next working day is awaited
    NOBODY = "nobody"               # not even the fallback can be reached
    TRIAL = "trial"
    STORM = "storm"                 # it waits until somebody releases it
    HOURLY_CAP = "hourly_cap"       # the recipient has had many messages within the hour: it goes out with the next one
    ON_HOLD = "on_hold"             # its message did not arrive, and meanwhile somebody has said that they are on it


@dataclass(frozen=True, slots=True)
class WaitingStep:
    """A step of an open alert for one of its targets. `since`: when it was first seen to be due. `held_until`: of one that has
    been released and is to go out once more, the end of a hold that has come since.
    """

    id: int
    alert_id: str
    episode: int
    key: str
    target: Target
    concern: Concern
    calendar: Calendar
    critical: bool
    since: datetime
    in_storm: bool = False
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: look again at `until`, or once it is released. `recipient_ref`: who would have got it, if that is known."""

    reason: HeldReason
    until: datetime | None
    recipient_ref: str | None


@dataclass(frozen=True, slots=True)
class Gather:
    """It goes to this recipient, at `release_at` at the latest."""

    recipient: Recipient
    release_at: datetime


def look(step: WaitingStep, circumstances: Circumstances, now: datetime, gather: timedelta) -> Hold | Gather:
    """Decide on one step that has fallen due."""
    if step.in_storm:
        return Hold(HeldReason.STORM, None, None)
    if step.held_until is not None and step.held_until > now:
        return Hold(HeldReason.ON_HOLD, step.held_until, None)
    found = find(step.concern, step.target, step.calendar, now,
                 replace(circumstances, by_email=True) if step.key == BACKFILL else circumstances)
    if isinstance(found, Hold):
        return found
    return Gather(found, step.since + (min(CRITICAL_WAITS, gather) if step.critical else gather))


def find(concern: Concern, target: Target, calendar: Calendar, now: datetime, circumstances: Circumstances) -> Hold | Recipient:
    """Who gets a message now, or why nobody does yet."""
    found = resolve(concern, target, circumstances)
    if isinstance(found, Nobody):
        return Hold(HeldReason.NOBODY, now + NOBODY_RETRY, None)
    if not is_open(now, calendar, circumstances.closed):
        return Hold(HeldReason.OUTSIDE_HOURS, next_open(now, calendar, circumstances.closed), found.worker.ref)
    if isinstance(found, Waits):
        return Hold(HeldReason.NOT_WORKING, opening_after(now, calendar, circumstances.closed), found.worker.ref)
    return found


@dataclass(frozen=True, slots=True)
class Release:
    """One message to one recipient about these steps."""

    council: str
    recipient: Recipient
    steps: tuple[tuple[WaitingStep, Recipient], ...]
    """Each with the recipient as reached for it: by different ways, perhaps."""

    @property
    def urgent(self) -> bool:
        """Whether a critical alert is among them."""
        return any(step.critical for step, _ in self.steps)


def is_storm(alerts: int, people: int, all_people: int, limits: Limits) -> bool:
    """Whether opening so many alerts, about so many of a council's people, at once is more than it wants."""
    return alerts > limits.storm_alerts and people > limits.storm_share * all_people


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about everything that was gathered for some recipients."""

    releases: tuple[Release, ...]
    held: Mapping[int, Hold]
    moved: Mapping[int, Gather]
    """To somebody else than it was gathered for: into that one's next release."""


def plan(gathered: Iterable[tuple[WaitingStep, str]], circumstances_of: Callable[[WaitingStep], Circumstances], now: datetime,
         gather: timedelta) -> Plan:
    """Look once more at what was gathered, each with the ref of whom for, and make one release of each recipient's steps."""
    groups: dict[tuple[str, str, bool], list[tuple[WaitingStep, Recipient]]] = {}
    held: dict[int, Hold] = {}
    moved: dict[int, Gather] = {}
    for step, recipient_ref in gathered:
        decision = look(step, circumstances_of(step), now, gather)
        if isinstance(decision, Hold):
            held[step.id] = decision
        elif decision.recipient.worker.ref != recipient_ref:
            moved[step.id] = decision
        else:
            summary = step.key == BACKFILL   # a summary is a message of its own
            groups.setdefault((step.concern.council, recipient_ref, summary), []).append((step, decision.recipient))
    releases = tuple(Release(council, members[0][1], tuple(members)) for (council, _, _), members in groups.items())
    return Plan(releases, held, moved)
