"""Who must be looked at on which day: an index of keys by day, for one partition."""
from __future__ import annotations

from heapq import heappop, heappush

from keepintouch.standards.intervals import LAST_DAY


class DueDays:
    """Keys by the day (a day number) on which their person must be evaluated.

    A key may stand under several days: whoever takes one out must see whether it still holds.
    """

    __slots__ = ("_days", "_keys")

    def __init__(self) -> None:
        self._days: list[int] = []
        self._keys: dict[int, dict[bytes, None]] = {}

    def add(self, key: bytes, day: int) -> None:
        """Note a key for a day; `LAST_DAY` is never."""
        if day >= LAST_DAY:
            return
        keys = self._keys.get(day)
        if keys is None:
            keys = self._keys[day] = {}
            heappush(self._days, day)
        keys[key] = None

    @property
    def first(self) -> int:
        """The earliest day that has a key; `LAST_DAY` if none has."""
        while self._days and not self._keys[self._days[0]]:
            del self._keys[heappop(self._days)]
        return self._days[0] if self._days else LAST_DAY

    def pop(self, today: int) -> tuple[bytes, int] | None:
        """Take out some key that is due by today, earliest day first; with its day."""
        day = self.first
        return (self._keys[day].popitem()[0], day) if day <= today else None
