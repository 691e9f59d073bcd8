"""Threads that do one thing again and again until they are stopped. An error nobody expected ends the process.

A database that is away is expected: what was begun has not been done, and the next round begins anew.
"""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keepintouch.runtime.database import AWAY
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.stopping import fail_stop
from services.notifier.metrics import Metrics

DATABASE_WAIT = 1.0
"""Seconds from one try to the next while the database is away."""

STUCK_AFTER = 120.0
"""Seconds after which a loop that has not come round is reported as unwell."""

_log = get_logger(__name__)


@dataclass(slots=True)
class Loops:
    """Runs each function over and over, with a pause in between that a stop cuts short."""

    stopping: threading.Event
    metrics: Metrics
    _away: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _last_round: dict[str, float] = field(default_factory=dict)

    def start(self, name: str, once: Callable[[], object], *, pause: float, when: Callable[[], bool] = lambda: True) -> None:
        """Begin to call `once` every `pause` real seconds, in rounds in which `when` holds."""
        self._last_round[name] = time.monotonic()

        def run() -> None:
            try:
                while not self.stopping.is_set():
                    ready = when()
                    done = not ready or self._done(name, once)
                    self._last_round[name] = time.monotonic()
                    self.metrics.heartbeat.labels(name).set_to_current_time()
                    self.stopping.wait((pause if ready else min(pause, DATABASE_WAIT)) if done else DATABASE_WAIT)
            except BaseException as error:
                fail_stop(f"{name}_loop", error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _done(self, name: str, once: Callable[[], object]) -> bool:
        """One round; False if the database was away."""
        try:
            once()
        except AWAY as error:
            self._away.add(name)
            _log.warning("database_away", kind=name, reason=type(error.orig).__name__)
            return False
        self._away.discard(name)
        return True

    def join(self) -> None:
        """Wait until all have ended after `stopping` was set."""
        for thread in self._threads:
            thread.join()

    def stuck(self) -> Sequence[str]:
        """Loops that have not come round for long, as slugs."""
        now = time.monotonic()
        return [f"{name}_stuck" for name, last in self._last_round.items() if now - last > STUCK_AFTER]

    def waiting(self) -> Sequence[str]:
        """What loops wait for, as slugs: the database, if it was away in anyone's last round."""
        return ["database_away"] if self._away else []
