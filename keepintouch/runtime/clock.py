"""What time it is: the real time, or in a demo and in tests another one that may run faster.

Dates and instants follow this clock. Waits for other machines (sessions, HTTP, leases) are always real.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError

_PROCESS_START = datetime.now(UTC)
_FORMS = re.compile(r"(?P<start>[^@*]+)(?:@(?P<real>[^@*]+))?\*(?P<speed>\d+(?:\.\d+)?)")


class Clock(Protocol):
    """Tells the time; everything that needs `now` is given one."""

    def now(self) -> datetime:
        """Return the instant it is now, in UTC."""
        ...

    def real_seconds(self, span: timedelta) -> float:
        """Return how many real seconds pass while this clock goes on by `span`; never negative."""
        ...


def _real_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LinearClock:
    """Shows `start` at the real instant `real` and goes on from there `speed` times as fast."""

    start: datetime
    real: datetime
    speed: float = 1.0
    source: Callable[[], datetime] = field(default=_real_now, compare=False, repr=False)

    def now(self) -> datetime:
        """Return the instant it is now on this clock, in UTC."""
        return self.start + (self.source() - self.real) * self.speed

    def real_seconds(self, span: timedelta) -> float:
        """Return how many real seconds pass while this clock goes on by `span`; never negative."""
        return max(0.0, span.total_seconds() / self.speed)

    def spec(self) -> str:
        """Return the ``KEEPINTOUCH_CLOCK`` with which another process shows the same time as this one."""
        return f"{self.start.isoformat()}@{self.real.isoformat()}*{self.speed:f}"


@dataclass(slots=True)
class ManualClock:
    """Stands still until it is set or moved on: for tests. Its seconds are real ones."""

    instant: datetime

    def now(self) -> datetime:
        """Return the instant last set."""
        return self.instant

    def real_seconds(self, span: timedelta) -> float:
        """Return the seconds of `span`; never negative."""
        return max(0.0, span.total_seconds())

    def advance(self, span: timedelta) -> None:
        """Move on by `span`."""
        self.instant += span


def real_clock() -> LinearClock:
    """Return the clock of this machine."""
    now = _real_now()
    return LinearClock(now, now)


def clock_from_env(environ: Mapping[str, str] = os.environ) -> LinearClock:
    """Return the clock that ``KEEPINTOUCH_CLOCK`` asks for, else the real one.

    Raises UserError if the setting cannot be read, or is there without ``KEEPINTOUCH_DEMO=1``.
    """
    spec = environ.get("KEEPINTOUCH_CLOCK", "").strip()
    if not spec:
        return real_clock()
    if environ.get("KEEPINTOUCH_DEMO") != "1":
        raise UserError("KEEPINTOUCH_CLOCK is for demos and tests: unset it, or set KEEPINTOUCH_DEMO=1 as well")
    try:
        return parse_clock(spec)
    except ValueError as error:
        raise UserError(f"KEEPINTOUCH_CLOCK: {error}; give an offset (+5d), <start>*<speed> "
                        "(2026-03-02T08:00:00Z*600) or <start>@<real instant>*<speed>") from None


def parse_clock(spec: str, process_start: datetime = _PROCESS_START) -> LinearClock:
    """Read an offset (``+5d``), ``<start>*<speed>`` or ``<start>@<real instant>*<speed>``; ValueError otherwise.

    ``<start>*<speed>`` counts from `process_start`.
    """
    if spec[0] in "+-":
        offset = parse_duration(spec[1:])
        return LinearClock(process_start + (offset if spec[0] == "+" else -offset), process_start)
    found = _FORMS.fullmatch(spec)
    if found is None:
        raise ValueError(f"cannot read {spec!r}")
    speed = float(found["speed"])
    if speed == 0:
        raise ValueError("a clock of speed 0 stands still")
    real = _instant(found["real"]) if found["real"] else process_start
    return LinearClock(_instant(found["start"]), real, speed)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not an instant") from None
    if instant.tzinfo is None:
        raise ValueError(f"{text.strip()!r} has no offset from UTC (add Z or +01:00)")
    return instant.astimezone(UTC)
