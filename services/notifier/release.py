"""What to do with a step that has fallen due: hold it, or gather it for the recipient's next release. Pure.

At the release itself every step is looked at once more, with the same function.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.notifier.ladder import Calendar, Target, is_open, next_open, opening_after
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
    STORM = "storm"


@dataclass(frozen=True, slots=True)
class WaitingStep:
    """A step of an open alert for one of its targets. `since`: when it fell due, or the opening it was held for."""

    id: int
    alert_id: str
    episode: int
    key: str
    target: Target
    concern: Concern
    calendar: Calendar
    critical: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: look again at `until`. `recipient_ref`: who would have got it, if that is known."""

    reason: HeldReason
    until: datetime
    recipient_ref: str | None


@dataclass(frozen=True, slots=True)
class Gather:
    """It goes to this recipient, at `release_at` at the latest."""

    recipient: Recipient
    release_at: datetime


def look(step: WaitingStep, circumstances: Circumstances, now: datetime, gather: timedelta) -> Hold | Gather:
    """Decide on one step that has fallen due."""
    found = resolve(step.concern, step.target, circumstances)
    if isinstance(found, Nobody):
        return Hold(HeldReason.NOBODY, now + NOBODY_RETRY, None)
    if not is_open(now, step.calendar):
        return Hold(HeldReason.OUTSIDE_HOURS, next_open(now, step.calendar), found.worker.ref)
    if isinstance(found, Waits):
        return Hold(HeldReason.NOT_WORKING, opening_after(now, step.calendar), found.worker.ref)
    return Gather(found, step.since + (min(CRITICAL_WAITS, gather) if step.critical else gather))


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


Guard = Callable[[str, Sequence[Release]], bool]
"""Whether these releases of one council are a storm, and wait for a service manager."""


def no_guard(_council: str, _releases: Sequence[Release]) -> bool:
    """Nothing is ever a storm."""
    return False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about everything that was gathered for some recipients."""

    releases: tuple[Release, ...]
    storms: tuple[Release, ...]
    held: Mapping[int, Hold]
    moved: Mapping[int, Gather]
    """To somebody else than it was gathered for: into that one's next release."""


def plan(gathered: Iterable[tuple[WaitingStep, str]], circumstances_of: Callable[[WaitingStep], Circumstances], now: datetime,
         gather: timedelta, guard: Guard = no_guard) -> Plan:
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
            summary = step.key == "backfill"   # a summary is a message of its own
            groups.setdefault((step.concern.council, recipient_ref, summary), []).append((step, decision.recipient))
    releases = [Release(council, members[0][1], tuple(members)) for (council, _, _), members in groups.items()]
    stormy = {council for council in {release.council for release in releases}
              if guard(council, [each for each in releases if each.council == council])}
    return Plan(tuple(each for each in releases if each.council not in stormy),
                tuple(each for each in releases if each.council in stormy), held, moved)
