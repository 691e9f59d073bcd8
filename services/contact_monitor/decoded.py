"""People decoded from their stored form: one of them, and those kept for the next event about them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepintouch.standards import stored
from keepintouch.standards.person import Person

MOST_KEPT = 125_000
"""Records that the people of one partition who are kept may have between them: some 320 bytes each, 40 MB."""
FORGOTTEN = -1
"""A due day: nothing is left of them to store."""
_OF_A_PERSON = 20
"""As many records as this weighs what else there is of a person."""


@dataclass(slots=True)
class Decoded:
    """A person, and what the shard knows about when to look at them."""

    person: Person
    due_on: int = stored.DUE_NOW
    waits_for_feed: bool = False
    was_folded: bool = False
    """An event came for them; else they were only looked at, because a day had come."""

    @classmethod
    def of(cls, people: Mapping[bytes, bytes], key: bytes) -> Decoded:
        """Somebody, by the stored form of everybody; one nobody has spoken of yet is an empty one."""
        value = people.get(key)
        if value is None:
            return cls(Person())
        head = stored.header(value)
        return cls(stored.load(value), head.due_on, head.waits_for_feed)

    @property
    def weight(self) -> int:
        """What they take, in records."""
        return len(self.person.registers) + _OF_A_PERSON

    @property
    def is_new(self) -> bool:
        """Whether there is something to evaluate, and it never was."""
        return self.person.ledger is None and self.person.facts is not None

    def stored(self) -> bytes | None:
        """Their stored form; None when nothing is to be left of them."""
        return None if self.due_on == FORGOTTEN else stored.dump(self.person, self.due_on, self.waits_for_feed)

    def let_go(self) -> None:
        """To be called when nobody holds them any longer: person and reckoning hold one another, and without this only the
        garbage collector would see them go, which hardly ever looks.
        """
        self.person.reckoned = None


class LatelyHeardOf:
    """People as they are stored, so that the next event about one of them need not decode them again.

    Whoever has been longest among them goes when they are too many. A person may be changed while kept, by whoever then says
    `keep` or `drop`; what they weigh meanwhile is what they weighed when they came.
    """

    __slots__ = ("_kept", "_most", "_weight")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._kept: dict[bytes, tuple[Decoded, int]] = {}
        self._most, self._weight = most, 0

    def get(self, key: bytes) -> Decoded | None:
        """Somebody, if they are kept."""
        kept = self._kept.get(key)
        return None if kept is None else kept[0]

    def keep(self, key: bytes, decoded: Decoded) -> None:
        """Keep somebody, as the latest."""
        self._remove(key)
        weight = decoded.weight
        self._kept[key] = decoded, weight
        self._weight += weight
        while self._weight > self._most:
            self.drop(next(iter(self._kept)))

    def drop(self, key: bytes) -> None:
        """Keep somebody no longer."""
        gone = self._remove(key)
        if gone is not None:
            gone.let_go()

    def close(self) -> None:
        """Let go of everybody."""
        for key in list(self._kept):
            self.drop(key)

    def _remove(self, key: bytes) -> Decoded | None:
        decoded, weight = self._kept.pop(key, (None, 0))
        self._weight -= weight
        return decoded
