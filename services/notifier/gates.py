"""Which providers are not to be called just now: one that wants to be left alone, or whose configuration is at fault.

In memory, for each process by itself: after a start every provider is tried at once.
"""
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=15)
"""After a fault of configuration, how long it takes to the next try; then twice as long each time, up to the second."""

Place = tuple[str, str, str]
"""A council, sms or email, and a provider."""


@dataclass(slots=True)
class _Gate:
    until: float
    faults: int = 0   # in a row; 0: we are only asked to wait
    trying: bool = False


@dataclass(slots=True)
class Gates:
    """Asked by several threads. `monotonic`: real seconds."""

    monotonic: Callable[[], float]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _shut: dict[Place, _Gate] = field(default_factory=dict)

    def enter(self, place: Place) -> bool:
        """Whether a call may be made. After a fault one call is let through, and the next one only if that went well."""
        with self._lock:
            gate = self._shut.get(place)
            if gate is None:
                return True
            if gate.until > self.monotonic():
                return False
            if gate.faults:
                gate.until, gate.trying = self.monotonic() + _wait(gate.faults).total_seconds(), True
            else:
                del self._shut[place]
            return True

    def opens_in(self, place: Place) -> timedelta:
        """How long it is shut."""
        with self._lock:
            gate = self._shut.get(place)
            return timedelta(seconds=max(0.0, gate.until - self.monotonic())) if gate is not None else timedelta()

    def leave_alone(self, place: Place, wait: timedelta) -> None:
        """The provider asks us to wait."""
        with self._lock:
            gate = self._shut.setdefault(place, _Gate(0.0))
            gate.until = max(gate.until, self.monotonic() + wait.total_seconds())

    def fault(self, place: Place) -> bool:
        """Its configuration is at fault; whether that is new."""
        with self._lock:
            gate = self._shut.setdefault(place, _Gate(0.0))
            if not gate.faults or gate.trying:   # of those under way at the same time only the first counts
                gate.faults, gate.trying = gate.faults + 1, False
                gate.until = self.monotonic() + _wait(gate.faults).total_seconds()
                return gate.faults == 1
            return False

    def try_again(self) -> None:
        """Configurations are new: of those that were at fault each may be tried at once."""
        with self._lock:
            for gate in self._shut.values():
                if gate.faults:
                    gate.until, gate.faults, gate.trying = 0.0, 1, False

    def works(self, place: Place) -> bool:
        """It has taken something; whether that is news after a fault."""
        with self._lock:
            gate = self._shut.get(place)
            if gate is None or not gate.faults:
                return False
            del self._shut[place]
            return True


def _wait(faults: int) -> timedelta:
    return min(FIRST_WAIT * (1 << min(faults - 1, 10)), LONGEST_WAIT)
