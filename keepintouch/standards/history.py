"""A person's records as they count on one day: voids left out, nothing of later days, and who had met whom when."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

from .instants import first_instant
from .ladder import BY_COUNCIL, MEETINGS, RUNG_OF, VOID, Rung
from .person import Person, Register
from .policy import Despite, Needs, Who


class History:
    """The records of one person with day <= today, oldest first; at the same instant by record id."""

    __slots__ = ("adviser", "later", "met", "person", "records", "today")

    def __init__(self, person: Person, today: int) -> None:
        self.person = person
        self.today = today
        self.records: list[Register] = []
        self.later: list[Register] = []
        """Records of days to come: they do not count yet."""
        self.met: dict[int, int] = {}
        """When each worker first saw the person, in whatever role."""
        records, met, tomorrow = self.records, self.met, first_instant(today + 1)
        for register in person.in_order():
            kind = register.kind
            if kind == VOID:
                continue
            if register.occurred_at >= tomorrow:
                self.later.append(register)
                continue
            records.append(register)
            if kind in MEETINGS and register.worker >= 0:
                met.setdefault(register.worker, register.occurred_at)
        self.adviser = self._place_of_adviser()

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

    def satisfying(self, needs: Needs, newest_first: bool = False) -> Iterator[Register]:
        """The records that satisfy."""
        kinds, by = needs.kinds, needs.by
        for register in reversed(self.records) if newest_first else self.records:
            if register.kind in kinds and (by is Who.ANY or self._is_by(register, by)):
                yield register

    def since(self, anchor: Register | None, anchor_on: int) -> Iterable[Register]:
        """What came after the anchoring record's instant, or on or after the anchor day where no record is the anchor."""
        start = len(self.records)
        if anchor is not None:
            while start and self.records[start - 1].occurred_at > anchor.occurred_at:
                start -= 1
        else:
            while start and self.records[start - 1].day >= anchor_on:
                start -= 1
        return self.records[start:]

    def meanwhile(self, despite: Despite, anchor: Register | None, anchor_on: int) -> Iterator[Register]:
        """The other contact since the anchor that a `despite` counts, oldest first."""
        kinds, by_stranger = despite.kinds, despite.by_stranger
        for register in self.since(anchor, anchor_on):
            if register.kind in kinds and not (by_stranger and self.known(register)):
                yield register

    def newest(self, least: Rung, known_below: Rung | None = None) -> int | None:
        """Day of the newest council-role record at that rung or higher; below `known_below` only by a known worker."""
        for register in reversed(self.records):
            if register.kind in BY_COUNCIL and (rung := RUNG_OF[register.kind]) >= least and (
                    known_below is None or rung >= known_below or self.known(register)):
                return register.day
        return None

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
