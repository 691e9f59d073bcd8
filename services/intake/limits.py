"""How much each may send: a bucket that fills as time passes, and holds a minute's worth."""
from __future__ import annotations

import math
from dataclasses import dataclass, field

_MOST_KNOWN = 10_000


@dataclass(slots=True)
class Limits:
    """Counts for many by name; for one thread. `now` is in seconds, by any clock that never goes back."""

    per_minute: int
    _spent: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What is missing from a bucket, as of when."""

    def take(self, name: str, cost: int, now: float) -> int:
        """Take what something costs; 0 if there was enough, else in how many seconds to come again, and nothing is taken.

        What costs more than a bucket holds is let through when that is full, and is paid off afterwards.
        """
        spent, since = self._spent.get(name, (0.0, now))
        spent = max(0.0, spent - (now - since) * self.per_minute / 60)
        if spent > 0 and spent + cost > self.per_minute:
            over = min(spent, spent + cost - self.per_minute)
            return max(1, math.ceil(over * 60 / self.per_minute))
        if len(self._spent) >= _MOST_KNOWN:
            self._spent.clear()
        self._spent[name] = spent + cost, now
        return 0
