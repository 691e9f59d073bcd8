"""How often one browser or one address may ask, so that no script and no stuck page wears out the board, the council's sign-in
or its managers' phones. Counted in whole windows, in memory."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_MOST_KNOWN = 20_000


class TooOftenError(Exception):
    """Asked too often. `sentence` is for who asked, `wait` the seconds after which they may again."""

    def __init__(self, sentence: str, wait: int) -> None:
        """Both are shown."""
        super().__init__(sentence)
        self.sentence, self.wait = sentence, wait


@dataclass(slots=True)
class Limit:
    """So many in so many seconds."""

    most: int
    seconds: float
    sentence: str
    monotonic: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, who: str) -> None:
        """Count one. Raises TooOftenError from the one on that is too many."""
        now = self.monotonic()
        with self._lock:
            began, count = self._seen.get(who, (now, 0))
            if now - began >= self.seconds:
                began, count = now, 0
            if count >= self.most:
                raise TooOftenError(self.sentence, max(1, round(began + self.seconds - now)))
            if who not in self._seen and len(self._seen) >= _MOST_KNOWN:
                self._seen = {each: known for each, known in self._seen.items() if now - known[0] < self.seconds}
            self._seen[who] = began, count + 1


def posts() -> Limit:
    """Of one browser that is signed in: more than anybody can mean."""
    return Limit(60, 60.0,
                 "That was more than sixty answers in a minute, so this one was not saved. Wait a minute, and do it again.")


def sign_ins() -> Limit:
    """Of one address, which a whole council may share on a Monday morning."""
    return Limit(1_200, 60.0, "Too many sign-ins came from your network at once. Wait a minute, and try again.")
