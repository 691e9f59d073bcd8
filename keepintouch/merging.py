"""Two refs that are one person: what was said of the one is said again of the other, then the one is voided and erased.

A register belongs to one person, so a record is moved by voiding it under the first ref and stating it under the second. Pure.
"""
from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from keepintouch.erasure import SOURCE, erasure
from keepintouch.runtime.errors import UserError
from schemas.events import CloudEvent, Contact, EventData, Feed, Person, PersonErased, RecordVoided, Visit, envelope

_MERGERS = uuid5(NAMESPACE_URL, "urn:keep-in-touch:merger")

Stated = tuple[str, EventData]
"""An event's id and its data."""


class Merger:
    """What is said of two people, as the events are read in any order."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new
        self._records: dict[str, tuple[datetime, str, Contact | Visit | RecordVoided]] = {}
        self._snapshots: dict[str, tuple[datetime, str, Person]] = {}
        self._erased: dict[str, datetime] = {}

    def take(self, event_id: str, data: EventData) -> None:
        """Take one accepted event, whomever it is about."""
        if isinstance(data, Feed) or data.person_ref not in (self.old, self.new):
            return
        ref, at = data.person_ref, data.recorded_at.astimezone(UTC)
        if isinstance(data, PersonErased):
            self._erased[ref] = max(at, self._erased.get(ref, at))
        elif isinstance(data, Person):
            self._snapshots[ref] = max(self._snapshots.get(ref, (at, event_id, data)), (at, event_id, data), key=_order)
        elif ref == self.old:
            stated = (at, event_id, data)
            self._records[data.record_id] = max(self._records.get(data.record_id, stated), stated, key=_order)

    @property
    def records(self) -> list[Contact | Visit]:
        """The contacts and visits of the old ref that hold, by record id."""
        return [data for record_id, (at, _, data) in sorted(self._records.items())
                if not isinstance(data, RecordVoided) and not self._is_forgotten(self.old, at)]

    def events(self, now: datetime) -> list[CloudEvent]:
        """What makes the two one, in the order in which it is to be written. UserError if there is nothing to merge."""
        snapshot = self._snapshot(self.old)
        records = self.records
        if snapshot is None and not records:
            raise UserError("nothing is known of the first ref: has it been merged or erased already, or is it the wrong one?")
        if self.new in self._erased and self._snapshot(self.new) is None:
            raise UserError("the second ref has been erased: what is said of it again would be forgotten at once")
        said: list[EventData] = [record.model_copy(update={"person_ref": self.new}) for record in records]
        if snapshot is not None and self._snapshot(self.new) is None:
            said.insert(0, snapshot.model_copy(update={"person_ref": self.new}))
        said += [RecordVoided(record_id=record.record_id, person_ref=self.old, recorded_at=max(now, record.recorded_at))
                 for record in records]
        return [*(envelope(data, id=self._id(data), source=SOURCE) for data in said), self._end(now, records)]

    def _end(self, now: datetime, records: Iterable[Contact | Visit]) -> CloudEvent:
        """The erasure, later than everything that was said of the old ref."""
        latest = [record.recorded_at for record in records]
        if self.old in self._snapshots:
            latest.append(self._snapshots[self.old][0])
        return erasure(self.old, max([now, *latest]))

    def _snapshot(self, ref: str) -> Person | None:
        if ref not in self._snapshots or self._is_forgotten(ref, self._snapshots[ref][0]):
            return None
        return self._snapshots[ref][2]

    def _is_forgotten(self, ref: str, at: datetime) -> bool:
        return ref in self._erased and at <= self._erased[ref]

    def _id(self, data: EventData) -> str:
        """The same merger gives the same ids, so repeating it does no harm."""
        assert not isinstance(data, Feed)
        what = f"{type(data).__name__}|{data.person_ref}|{getattr(data, 'record_id', '')}|{data.recorded_at.astimezone(UTC)}"
        return str(uuid5(_MERGERS, f"{self.old}|{self.new}|{what}"))


def _order(stated: tuple[datetime, str, object]) -> tuple[datetime, str]:
    return stated[:2]
