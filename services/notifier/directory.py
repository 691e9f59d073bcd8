"""Who works for the councils, as `care.staff.v1` has it. Pure: it holds what it is given.

Names are dropped on the way in: the notifier needs none.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from schemas.staff import MessageChannel, Staff, StaffRole, Weekday

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
        return cls(staff.worker_ref, staff.council, staff.role, staff.mobile, staff.email, staff.team_ref, staff.manager_ref,
                   tuple(staff.channels), frozenset(staff.works), staff.cover_ref, leave, staff.active)

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
        self._workers: dict[str, Worker] = {}

    def put(self, staff: Staff) -> None:
        """Take over a staff record."""
        self._workers[staff.worker_ref] = Worker.of(staff)

    def remove(self, ref: str) -> None:
        """They have gone; what was last known of them still leads to their manager."""
        if (known := self._workers.get(ref)) is not None:
            self._workers[ref] = replace(known, gone=True, active=False)

    def get(self, ref: str | None) -> Worker | None:
        """What is known of a worker, gone or not; None for no ref and for one never heard of."""
        return self._workers.get(ref) if ref is not None else None

    def __len__(self) -> int:
        return sum(not worker.gone for worker in self._workers.values())

    def is_manager(self, ref: str) -> bool:
        """Whether they are an active manager of any level."""
        worker = self.get(ref)
        return worker is not None and worker.active and worker.role in ("manager", "service_manager")

    def manager_of_team(self, council: str, team_ref: str | None) -> Worker | None:
        """The active manager of a team with the smallest ref."""
        if team_ref is None:
            return None
        return self._first(council, "manager", team_ref)

    def service_manager(self, council: str) -> Worker | None:
        """The council's active service manager with the smallest ref."""
        return self._first(council, "service_manager", None)

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

    def _first(self, council: str, role: StaffRole, team_ref: str | None) -> Worker | None:
        # A scan: councils have hundreds of staff, and this is asked for managers, not for every record.
        found = (worker for worker in self._workers.values() if worker.active and worker.council == council
                 and worker.role == role and (team_ref is None or worker.team_ref == team_ref))
        return min(found, key=lambda worker: worker.ref, default=None)
