"""What everybody who decides about messages needs around them."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.calendar import london_day
from keepintouch.councils import Council, Councils
from keepintouch.ladders.ladder import Calendar
from keepintouch.runtime.database import Database
from schemas.staff import MessageChannel
from services.notifier.directory import Directory
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.recipient import Circumstances
from services.notifier.tables import turn, unreachable


@dataclass(frozen=True, slots=True)
class Office:
    """The same for all of a process."""

    database: Database
    directory: Directory
    councils: Councils
    moment: Callable[[], Moment]
    may_get: Callable[[str], bool]
    metrics: Metrics


@dataclass(slots=True)
class Around:
    """Circumstances for each council and calendar, worked out once in a transaction."""

    office: Office
    connection: Connection
    now: datetime
    _known: dict[tuple[str, Calendar], Circumstances] = field(default_factory=dict)
    _dead: frozenset[str] | None = None

    def of(self, slug: str, calendar: Calendar) -> Circumstances:
        """What it is decided against today for a council and an alert's calendar."""
        if self._dead is None:
            self._dead = frozenset(self.connection.scalars(sa.select(unreachable.c.address)))
        if (slug, calendar) not in self._known:
            council = self.office.councils.councils[slug]
            self._known[slug, calendar] = Circumstances(
                self.office.directory, london_day(self.now), calendar, council.fallback, _channels(council),
                self._dead.__contains__, frozenset(council.closed))
        return self._known[slug, calendar]

    def now_of(self, slug: str) -> Circumstances:
        """The same by the calendar that the council's ladder has now."""
        return self.of(slug, Calendar(self.office.councils.ladder_of(slug).calendar))


def _channels(council: Council) -> frozenset[MessageChannel]:
    named: dict[MessageChannel, bool] = {"sms": bool(council.channels.sms), "email": bool(council.channels.email)}
    return frozenset(channel for channel, has in named.items() if has)


def take_turn(connection: Connection) -> None:
    """Wait until no other instance plans; the turn ends with the transaction."""
    connection.execute(sa.update(turn).where(turn.c.name == "planner").values(count=turn.c.count + 1))
