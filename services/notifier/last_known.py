"""What was last known of everybody on staff: to whom it leads when they have gone.

The topic forgets who has gone: once it is compacted not even the tombstone is left, and a start would find no manager for what
is still open about their people. So where each record led is kept: refs only.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from keepintouch.runtime.database import Database
from services.notifier.book import insert_into
from services.notifier.directory import Directory, Worker
from services.notifier.tables import last_known


@dataclass(frozen=True, slots=True)
class _Led:
    """Where a record led, and whether it is still there."""

    council: str
    team_ref: str | None
    manager_ref: str | None
    gone: bool

    @classmethod
    def of(cls, worker: Worker) -> _Led:
        return cls(worker.council, worker.team_ref, worker.manager_ref, worker.gone)


@dataclass(slots=True)
class LastKnown:
    """Used by the thread that reads staff. `now`: the service's clock."""

    database: Database
    directory: Directory
    now: Callable[[], datetime]
    _kept: dict[str, _Led] = field(default_factory=dict)

    def recall(self) -> None:
        """Let the directory know everybody there was, as gone; who is still there is read from the topic."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(last_known)).all()
        for row in rows:
            self._kept[row.worker_ref] = _Led(row.council, row.team_ref, row.manager_ref, row.gone_at is not None)
            self.directory.recall(Worker.left(row.worker_ref, row.council, row.team_ref, row.manager_ref))

    def keep(self, refs: Iterable[str]) -> None:
        """Write down where the records of these lead now, as far as that is new."""
        new = {worker.ref: led for ref in refs if (worker := self.directory.get(ref)) is not None
               and (led := _Led.of(worker)) != self._kept.get(ref)}
        if not new:
            return
        now = self.now()
        with self.database.write() as connection:
            insert = insert_into(connection, last_known)
            changed = {name: insert.excluded[name] for name in ("council", "team_ref", "manager_ref", "gone_at")}
            connection.execute(insert.on_conflict_do_update(index_elements=["worker_ref"], set_=changed), [
                {"worker_ref": ref, "council": led.council, "team_ref": led.team_ref, "manager_ref": led.manager_ref,
                 "gone_at": now if led.gone else None} for ref, led in sorted(new.items())])
        self._kept |= new
