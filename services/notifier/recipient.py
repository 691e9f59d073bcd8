"""Who gets a message: somebody always does. Pure.

Adviser, else their cover, else the manager, else the service manager, else the council's fallback. Every hop is a reason.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from keepintouch.ladders.ladder import Calendar, Target
from schemas.staff import MessageChannel
from services.notifier.directory import WEEKDAYS, Directory, Worker
from services.notifier.numbers import may_be_texted

Unreachable = Callable[[str], bool]
"""Whether an address has been found not to work (opted out, a landline, no such number)."""


class HopReason(StrEnum):
    """Why somebody who stood nearer does not get it."""

    NONE = "none"                   # nobody holds this place
    UNKNOWN = "unknown"
    GONE = "gone"
    INACTIVE = "inactive"
    ABSENT = "absent"
    NOT_WORKING = "not_working"     # not one of their days
    NO_ADDRESS = "no_address"
    NO_MOBILE = "no_mobile"         # a number is there, but none that takes texts
    UNREACHABLE = "unreachable"     # the provider says that their number does not work
    HANDED_ON = "handed_on"         # they said that the person is not theirs


class Place(StrEnum):
    """Where in the chain somebody stands."""

    ADVISER = "adviser"
    COVER = "cover"
    MANAGER = "manager"
    SERVICE_MANAGER = "service_manager"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Hop:
    """One place passed, and why."""

    place: Place
    reason: HopReason


@dataclass(frozen=True, slots=True)
class Concern:
    """What of an alert decides who hears of it."""

    council: str
    adviser_ref: str | None
    team_ref: str | None
    manager_stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it, how, as what, and past whom."""

    worker: Worker
    channel: MessageChannel
    address: str
    place: Place
    hops: tuple[Hop, ...]

    @property
    def reason(self) -> str | None:
        """The hops in words for a record: `adviser absent, to cover`; None without any."""
        return f"{', '.join(f'{hop.place} {hop.reason}' for hop in self.hops)}, to {self.place}" if self.hops else None


@dataclass(frozen=True, slots=True)
class Waits:
    """It waits for this worker's next working day."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class Nobody:
    """Not even the fallback can be reached: for people to put right."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Against what it is decided. `by_email`: by e-mail to whoever has one, whatever they prefer for the ladder."""

    directory: Directory
    day: date
    calendar: Calendar
    fallback: str
    channels: frozenset[MessageChannel]
    unreachable: Unreachable
    closed: frozenset[date] = frozenset()
    by_email: bool = False


def resolve(concern: Concern, target: Target, now: Circumstances) -> Recipient | Waits | Nobody:
    """Find who gets a step for this target today."""
    hops: list[Hop] = []
    seen: set[str] = set()
    for place, worker, missing in _chain(concern, target, now.directory, now.fallback):
        if worker is None:
            hops.append(Hop(place, missing))
            continue
        for stand, candidate in _with_cover(place, worker, now):
            if isinstance(candidate, Waits):
                return candidate
            if candidate is None or (candidate.ref in seen and place is not Place.FALLBACK):   # who always gets it, away or not
                continue
            seen.add(candidate.ref)
            found = _address(candidate, now) if place is Place.FALLBACK else _reachable(candidate, now, any_day=False)
            if isinstance(found, HopReason):
                hops.append(Hop(stand, found))
            else:
                channel, address = found
                return Recipient(candidate, channel, address, stand, tuple(hops))
    return Nobody(tuple(hops))


def _chain(concern: Concern, target: Target, directory: Directory,
           fallback: str) -> Iterator[tuple[Place, Worker | None, HopReason]]:
    adviser = directory.get(concern.adviser_ref)
    manager = directory.manager_for(concern.council, concern.adviser_ref, concern.team_ref)
    if target is Target.ADVISER:
        if concern.manager_stands_in:
            yield Place.ADVISER, None, HopReason.HANDED_ON
        else:
            yield Place.ADVISER, adviser, HopReason.UNKNOWN if concern.adviser_ref else HopReason.NONE
    if target is not Target.SERVICE_MANAGER:
        yield Place.MANAGER, manager, HopReason.NONE
    yield Place.SERVICE_MANAGER, directory.service_manager_for(concern.council, manager), HopReason.NONE
    yield Place.FALLBACK, directory.get(fallback), HopReason.UNKNOWN


def _with_cover(place: Place, worker: Worker, now: Circumstances) -> Iterator[tuple[Place, Worker | Waits | None]]:
    """Somebody, then who covers them; who merely does not work today is waited for unless their cover can take it."""
    yield place, worker
    cover = now.directory.get(worker.cover_on(now.day))
    stands_in = cover if cover is not None and cover.ref != worker.ref else None
    if place is not Place.FALLBACK and _only_off_today(worker, now):
        able = stands_in is not None and not isinstance(_reachable(stands_in, now, any_day=False), HopReason)
        yield Place.COVER, stands_in if able else Waits(worker)
        return
    yield Place.COVER, stands_in
    if stands_in is not None and _only_off_today(stands_in, now):
        yield Place.COVER, Waits(stands_in)


def _off_today(worker: Worker, now: Circumstances) -> bool:
    return now.calendar is Calendar.WORKING_HOURS and not worker.works_on(now.day)


def _only_off_today(worker: Worker, now: Circumstances) -> bool:
    """Whether waiting for their next day would help: it must be one on which messages go out at all."""
    return (_off_today(worker, now) and not worker.works.isdisjoint(WEEKDAYS[:5])
            and not isinstance(_reachable(worker, now, any_day=True), HopReason))


def _reachable(worker: Worker, now: Circumstances, *, any_day: bool) -> HopReason | tuple[MessageChannel, str]:
    """How to reach somebody today, or why not; `any_day`: whether or not it is one of their days."""
    if worker.away(now.day):
        return HopReason.ABSENT
    if not any_day and worker.active and _off_today(worker, now):
        return HopReason.NOT_WORKING
    return _address(worker, now)


def address_of(worker: Worker, now: Circumstances) -> tuple[MessageChannel, str] | None:
    """How somebody can be reached, whether or not they work today; None if they cannot be."""
    found = _address(worker, now)
    return None if isinstance(found, HopReason) else found


def _address(worker: Worker, now: Circumstances) -> HopReason | tuple[MessageChannel, str]:
    if worker.gone:
        return HopReason.GONE
    if not worker.active:
        return HopReason.INACTIVE
    wanted: tuple[MessageChannel, ...] = ("email", "sms") if now.by_email else worker.channels
    addresses = [(channel, address) for channel in wanted
                 if channel in now.channels and (address := worker.address(channel)) is not None]
    if not addresses:
        return HopReason.NO_ADDRESS
    possible = [(channel, address) for channel, address in addresses if channel != "sms" or may_be_texted(address)]
    if not possible:
        return HopReason.NO_MOBILE
    usable = [(channel, address) for channel, address in possible if not now.unreachable(address)]
    return usable[0] if usable else HopReason.UNREACHABLE
