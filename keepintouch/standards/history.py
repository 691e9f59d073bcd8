"""A person's records as they count on one day: voids left out, nothing of later days, and who had met whom when."""
from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from .instants import first_instant
from .ladder import MEETINGS, VOID
from .person import Person, Register
from .policy import Despite, Needs, Who

_kind, _occurred_at = attrgetter("kind"), attrgetter("occurred_at")


class History:
    """The records of one person with day <= today, oldest first; at the same instant by record id. Not to be changed."""

    __slots__ = ("_added", "_count", "_met", "_tomorrow", "adviser", "later", "person", "records", "today")

    def __init__(self, person: Person, today: int) -> None:
        self.person = person
        self.today = today
        self.records: list[Register]
        self.later: list[Register]
        """Records of days to come: they do not count yet."""
        self._met: dict[int, int] | None = None
        ordered = person.in_order()
        self._added = person.added = []
        self._count = 0
        if VOID in map(_kind, ordered):
            ordered = [register for register in ordered if register.kind != VOID]
        self._tomorrow = first_instant(today + 1)
        if ordered and ordered[-1].occurred_at >= self._tomorrow:
            end = bisect_left(ordered, self._tomorrow, key=_occurred_at)
            self.records, self.later = ordered[:end], ordered[end:]
        else:
            self.records, self.later = ordered, []
        self.adviser = self._place_of_adviser()

    def catch_up(self) -> Sequence[Register] | None:
        """Take in the records that have been added since, and return them; None if more than that has changed."""
        if self.person.added is not self._added or self.later:
            return None
        came = self._added[self._count:]
        newest = self.person.in_order()[-1] if came else None
        for register in came:
            if register.kind == VOID or register.occurred_at >= self._tomorrow:
                return None
            if self._met is not None and not self._meet_as_well(self._met, register, register is newest):
                return None
        self._count = len(self._added)
        if self.records is not self.person.in_order():
            for register in came:
                insort(self.records, register, key=_occurred_at)
        if self.adviser < 0:
            self.adviser = self._place_of_adviser()
        return came

    @property
    def met(self) -> dict[int, int]:
        """When each worker first saw the person, in whatever role."""
        met = self._met
        if met is None:
            met = self._met = {}
            self._meet(met, self.records)
        return met

    def known(self, register: Register) -> bool:
        """Whether the record's worker had met the person at or before it; otherwise, or without a worker, a stranger."""
        met = self.met.get(register.worker)
        return met is not None and met <= register.occurred_at

    @property
    def met_adviser(self) -> bool | None:
        """Whether the current adviser has met the person; None without adviser."""
        facts = self.person.facts
        return None if facts is None or facts.adviser_ref is None else self.adviser in self.met

    def satisfies(self, register: Register, needs: Needs) -> bool:
        """Whether a record is of a kind, and by someone, that satisfies."""
        return register.kind in needs.kinds and self._is_by(register, needs.by)

    def satisfying(self, needs: Needs, first_day: int = 0) -> Iterator[Register]:
        """The records that satisfy, on or after a day, oldest first."""
        kinds, by = needs.kinds, needs.by
        begin = bisect_left(self.records, first_instant(first_day), key=_occurred_at) if first_day > 0 else 0
        for register in self.records[begin:]:
            if register.kind in kinds and (by is Who.ANY or self._is_by(register, by)):
                yield register

    def since(self, anchor: Register | None, anchor_on: int) -> Sequence[Register]:
        """What came after the anchoring record's instant, or on or after the anchor day where no record is the anchor."""
        return self.records[self._start_since(anchor, anchor_on):]

    def meanwhile(self, despite: Despite, anchor: Register | None, anchor_on: int) -> list[Register]:
        """The other contact since the anchor that a `despite` counts, oldest first."""
        kinds, by_stranger = despite.kinds, despite.by_stranger
        return [register for register in self.since(anchor, anchor_on)
                if register.kind in kinds and not (by_stranger and self.known(register))]

    def nth_meanwhile(self, despite: Despite, anchor: Register | None, anchor_on: int) -> Register | None:
        """Of these, the one with which there are as many as the `despite` takes."""
        kinds, by_stranger, missing = despite.kinds, despite.by_stranger, despite.count
        for register in self.records[self._start_since(anchor, anchor_on):]:
            if register.kind in kinds and not (by_stranger and self.known(register)):
                missing -= 1
                if not missing:
                    return register
        return None

    def _start_since(self, anchor: Register | None, anchor_on: int) -> int:
        records = self.records
        at_least = first_instant(anchor_on) if anchor is None else anchor.occurred_at + 1
        start = len(records)
        while start and records[start - 1].occurred_at >= at_least:
            start -= 1
        return start

    @staticmethod
    def _meet(met: dict[int, int], records: Iterable[Register]) -> None:
        for register in records:
            if register.kind in MEETINGS and register.worker >= 0 and register.worker not in met:
                met[register.worker] = register.occurred_at

    @staticmethod
    def _meet_as_well(met: dict[int, int], register: Register, is_newest: bool) -> bool:
        """Note a meeting; False where records after it may so become those of someone known."""
        if register.kind in MEETINGS and register.worker >= 0:
            before = met.get(register.worker)
            if before is None or register.occurred_at < before:
                if not is_newest:
                    return False
                met[register.worker] = register.occurred_at
        return True

    def _is_by(self, register: Register, by: Who) -> bool:
        if by is Who.ANY:
            return True
        if by is Who.KNOWN:
            return self.known(register)
        return register.worker >= 0 and register.worker == self.adviser

    def _place_of_adviser(self) -> int:
        """Where the adviser stands in the person's list of workers; -2 where no record is theirs."""
        facts = self.person.facts
        if facts is None or facts.adviser_ref is None or facts.adviser_ref not in self.person.workers:
            return -2
        return self.person.workers.index(facts.adviser_ref)
