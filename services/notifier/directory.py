"""Who works for the councils, as `care.staff.v1` has it. Pure: it holds what it is given.

Names are dropped on the way in: the notifier needs none.
"""
from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from schemas.staff import MessageChannel, Staff, StaffRole, Weekday

_ADDRESS = re.compile(r"[^\s@\0-\x1f\x7f]{1,64}@[^\s@\0-\x1f\x7f]{1,189}")
"""What no mail server could take for an address counts as none."""

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Leave:
    """An absence, both days included; who covers it, if it says."""

    first: date
    last: date
    cover_ref: str | None


@dataclass(frozen=True, slots=True)
class Worker:
    """One member of staff; `gone` when their record was taken away and this is the last that is known of them."""

    ref: str
    council: str
    role: StaffRole
    mobile: str | None
    email: str | None
    team_ref: str | None
    manager_ref: str | None
    channels: tuple[MessageChannel, ...]
    works: frozenset[str]
    cover_ref: str | None
    absence: Leave | None
    active: bool
    gone: bool = False

    @classmethod
    def of(cls, staff: Staff) -> Self:
        """What the notifier needs of a staff record."""
        away = staff.absence
        leave = None if away is None else Leave(away.from_, away.until, away.cover_ref)
        email = staff.email if staff.email is not None and _ADDRESS.fullmatch(staff.email) else None
        return cls(staff.worker_ref, staff.council, staff.role, staff.mobile, email, staff.team_ref, staff.manager_ref,
                   tuple(staff.channels), frozenset(staff.works), staff.cover_ref, leave, staff.active)

    @classmethod
    def left(cls, ref: str, council: str, team_ref: str | None, manager_ref: str | None) -> Self:
        """Somebody of whom nothing is known any more but where their last record led."""
        return cls(ref, council, "adviser", None, None, team_ref, manager_ref, (), frozenset(), None, None, active=False,
                   gone=True)

    def away(self, day: date) -> bool:
        """On leave that day."""
        return self.absence is not None and self.absence.first <= day <= self.absence.last

    def works_on(self, day: date) -> bool:
        """Whether that day of the week is one of theirs."""
        return WEEKDAYS[day.weekday()] in self.works

    def cover_on(self, day: date) -> str | None:
        """Who stands in that day: whom the leave names, else their usual cover."""
        if self.away(day) and self.absence is not None and self.absence.cover_ref is not None:
            return self.absence.cover_ref
        return self.cover_ref

    def address(self, channel: MessageChannel) -> str | None:
        """Where a message by this channel goes."""
        return self.mobile if channel == "sms" else self.email


class Directory:
    """All staff known, by ref."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._lock = threading.Lock()   # one thread reads the topic while others ask
        self._workers: dict[str, Worker] = {}
        self._first: dict[tuple[str, StaffRole, str | None], Worker] | None = None

    def put(self, staff: Staff) -> None:
        """Take over a staff record."""
        with self._lock:
            self._workers[staff.worker_ref] = Worker.of(staff)
            self._first = None

    def recall(self, worker: Worker) -> None:
        """Take over what was known of somebody at an earlier time, unless something is known now."""
        with self._lock:
            self._workers.setdefault(worker.ref, worker)

    def remove(self, ref: str) -> None:
        """They have gone; what was last known of them still leads to their manager."""
        with self._lock:
            if (known := self._workers.get(ref)) is not None:
                self._workers[ref] = replace(known, gone=True, active=False)
                self._first = None

    def get(self, ref: str | None) -> Worker | None:
        """What is known of a worker, gone or not; None for no ref and for one never heard of."""
        return self._workers.get(ref) if ref is not None else None

    @property
    def refs(self) -> set[str]:
        """Of everybody known, gone or not."""
        with self._lock:
            return set(self._workers)

    def __len__(self) -> int:
        with self._lock:
            return sum(not worker.gone for worker in self._workers.values())

    def is_manager(self, ref: str) -> bool:
        """Whether they are an active manager of any level."""
        worker = self.get(ref)
        return worker is not None and worker.active and worker.role in ("manager", "service_manager")

    def manager_of_team(self, council: str, team_ref: str | None) -> Worker | None:
        """The active manager of a team with the smallest ref."""
        return None if team_ref is None else self._firsts().get((council, "manager", team_ref))

    def service_manager(self, council: str) -> Worker | None:
        """The council's active service manager with the smallest ref."""
        return self._firsts().get((council, "service_manager", None))

    def manager_for(self, council: str, adviser_ref: str | None, team_ref: str | None) -> Worker | None:
        """The manager of an adviser by the adviser's last known record; without adviser, of the alert's team."""
        adviser = self.get(adviser_ref)
        if adviser is not None and (manager := self.get(adviser.manager_ref)) is not None and manager.active:
            return manager
        if adviser is not None and (manager := self.manager_of_team(council, adviser.team_ref)) is not None:
            return manager
        return self.manager_of_team(council, team_ref)

    def service_manager_for(self, council: str, manager: Worker | None) -> Worker | None:
        """The manager's own manager, else the council's service manager."""
        above = self.get(manager.manager_ref) if manager is not None else None
        return above if above is not None and above.active else self.service_manager(council)

    def _firsts(self) -> dict[tuple[str, StaffRole, str | None], Worker]:
        """Of the active ones with a role, the one with the smallest ref: in each team, and (None) in the council."""
        with self._lock:
            if self._first is None:
                self._first = {}
                for worker in sorted(self._workers.values(), key=lambda worker: worker.ref, reverse=True):
                    if worker.active:
                        self._first[worker.council, worker.role, worker.team_ref] = worker
                        self._first[worker.council, worker.role, None] = worker
            return self._first
