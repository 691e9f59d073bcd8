"""Who works for the councils, as `care.staff.v1` has it: who leads whom, who covers whom on a day."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Self

import orjson

from keepintouch.calendar import is_working_day
from schemas.staff import Staff as StaffRecord

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MANAGERS = frozenset({"manager", "service_manager"})


@dataclass(frozen=True, slots=True)
class Absence:
    """A leave, both days included; who covers it, if it says."""

    first: date
    last: date
    cover_ref: str | None


@dataclass(frozen=True, slots=True)
class Worker:
    """One member of staff; one whose record was taken away is not active and has no name left."""

    ref: str
    council: str
    role: str
    name: str
    email: str | None
    team_ref: str | None
    manager_ref: str | None
    works: tuple[str, ...]
    cover_ref: str | None
    absence: Absence | None
    active: bool
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The record as it is on the topic, for who writes it again."""

    @classmethod
    def of(cls, staff: StaffRecord, raw: dict[str, Any]) -> Self:
        """What the board needs of a record."""
        away = staff.absence
        return cls(staff.worker_ref, staff.council, staff.role, staff.name, staff.email, staff.team_ref, staff.manager_ref,
                   tuple(staff.works), staff.cover_ref,
                   None if away is None else Absence(away.from_, away.until, away.cover_ref), staff.active, raw)

    @property
    def manages(self) -> bool:
        """Whether they are a manager of any level."""
        return self.role in _MANAGERS

    def away(self, day: date) -> bool:
        """On leave that day."""
        return self.absence is not None and self.absence.first <= day <= self.absence.last

    def needs_cover(self, day: date) -> bool:
        """Whether somebody else must see to their people that day."""
        return not self.active or self.away(day) or WEEKDAYS[day.weekday()] not in self.works

    def cover_on(self, day: date) -> str | None:
        """Who stands in that day: whom the leave names, else their usual cover."""
        if self.absence is not None and self.away(day) and self.absence.cover_ref is not None:
            return self.absence.cover_ref
        return self.cover_ref


class Staff:
    """All staff known, by ref."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def put(self, value: bytes) -> Worker:
        """Take over a record; ValueError where it cannot be read."""
        record = StaffRecord.model_validate_json(value)
        worker = self._workers[record.worker_ref] = Worker.of(record, orjson.loads(value))
        return worker

    def remove(self, ref: str) -> None:
        """They have gone; what was last known of them still leads to their manager."""
        if (known := self._workers.get(ref)) is not None:
            self._workers[ref] = replace(known, name="", email=None, active=False, raw={})

    def get(self, ref: str | None) -> Worker | None:
        """What is known of a worker; None for no ref and for one never heard of."""
        return None if ref is None else self._workers.get(ref)

    def __len__(self) -> int:
        return sum(worker.active for worker in self._workers.values())

    def of_council(self, council: str) -> list[Worker]:
        """The active ones of a council, by name."""
        return sorted((w for w in self._workers.values() if w.council == council and w.active),
                      key=lambda worker: (worker.name.casefold(), worker.ref))

    def covered_by(self, ref: str, day: date) -> list[Worker]:
        """Those whose people this worker sees to that day, besides their own."""
        return [w for w in self._workers.values() if w.ref != ref and w.needs_cover(day) and w.cover_on(day) == ref]

    def led_by(self, ref: str) -> list[Worker]:
        """Those whose manager this is, those who have gone too."""
        return [w for w in self._workers.values() if w.manager_ref == ref]

    def without_cover(self, workers: Iterable[Worker], day: date, ahead: int = 14) -> list[tuple[Worker, date]]:
        """Whose people would be nobody's on a working day soon: each with the first such day."""
        found = []
        for worker in workers:
            for n in range(ahead + 1):
                on = day + timedelta(days=n)
                if is_working_day(on) and worker.active and worker.needs_cover(on) and not self._stands_in(worker, on):
                    found.append((worker, on))
                    break
        return found

    def _stands_in(self, worker: Worker, day: date) -> bool:
        cover = self.get(worker.cover_on(day))
        return cover is not None and cover.ref != worker.ref and cover.active and not cover.away(day)
