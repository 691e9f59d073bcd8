"""Holds a release back that would open far more alerts than a council ever sees at once: something else is wrong then.

What opens within one gathering time counts as one release, to whomever it goes. What is held waits for a release by a person
(`9 REF`, the board, the command line), all of it together; nothing is lost.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.ladders.schedule import BACKFILL
from keepintouch.runtime.logs import get_logger
from services.notifier.appeals import Kind, open_appeal
from services.notifier.office import Office, take_turn
from services.notifier.publications import note_step
from services.notifier.release import CRITICAL_WAITS, HeldReason, is_storm
from services.notifier.tables import alert, appeal, step

PEOPLE_WITHIN = timedelta(days=90)
"""A council whose size is not in its file is as large as the number of people with an alert in this time."""

ANOTHER_AFTER = timedelta(minutes=30)
"""What comes so long after the last that joined a storm is another, and asked about anew."""

_MANY = 500   # ids in one query

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Storms:
    """Looks at what is about to open in a council."""

    office: Office
    gather: timedelta

    def hold_back(self, council: str) -> int:
        """Hold everything that would open now, if it is too much; return how many alerts that is."""
        with self.office.database.read() as connection:
            if not self._is_storm(connection, council, self.office.moment().now):
                return 0
        with self.office.database.write() as connection:
            take_turn(connection)
            now = self.office.moment().now
            if not self._is_storm(connection, council, now):
                return 0
            opening = self._opening(connection, council)
            alert_ids = sorted({row.alert_id for row in opening})
            storm = open_appeal(connection, council, Kind.STORM, now, quiet_since=now - ANOTHER_AFTER)
            for some in _chunks(alert_ids):
                connection.execute(sa.update(alert).where(alert.c.alert_id.in_(some)).values(storm_id=storm))
            connection.execute(sa.update(step).where(step.c.id == sa.bindparam("the_id")).values(
                state="waiting", look_at=None, release_at=None, reason=HeldReason.STORM),
                [{"the_id": row.id} for row in opening])
            for row in opening:
                note_step(connection, [row.alert_id], row.key, "held", now, HeldReason.STORM, row.recipient_ref)
        self.office.metrics.held.labels(HeldReason.STORM).inc(len(opening))
        _log.warning("storm", council=council, count=len(alert_ids))
        return len(alert_ids)

    def _is_storm(self, connection: Connection, council: str, now: datetime) -> bool:
        opening = self._opening(connection, council)
        if not opening:
            return False
        since = self._window(now)
        if connection.scalar(sa.select(appeal.c.id).where(
                appeal.c.council == council, appeal.c.kind == Kind.STORM, appeal.c.ended_at.is_(None),
                appeal.c.grown_at > since)) is not None:   # the rest of it
            return True
        opened = {row.alert_id: row.person_ref for row in [*opening, *_opened(connection, council, since)]}
        limits = self.office.councils.councils[council].limits
        if len(opened) <= limits.storm_alerts:
            return False
        return is_storm(len(opened), len(set(opened.values())), self._people(connection, council, now), limits)

    def _window(self, now: datetime) -> datetime:
        """What opens since then is one release."""
        return now - max(self.gather, CRITICAL_WAITS)

    def _opening(self, connection: Connection, council: str) -> list[Any]:
        """Steps of alerts of which nothing has gone out yet, gathered for somebody who would get a message."""
        rows = connection.execute(
            sa.select(step.c.id, step.c.key, step.c.recipient_ref, alert.c.alert_id, alert.c.person_ref, alert.c.council)
            .join(alert, alert.c.alert_id == step.c.alert_id)
            .where(step.c.state == "gathering", step.c.release_at.is_not(None), step.c.key != BACKFILL,
                   alert.c.ladder_from.is_(None), ~_released())).all()
        may = {ref: self._may_get(ref) for ref in {row.recipient_ref for row in rows}}
        # Asked for in SQL, the council would have a year of its alerts read.
        return [row for row in rows if row.council == council and may[row.recipient_ref]]

    def _may_get(self, ref: str) -> bool:
        worker = self.office.directory.get(ref)
        return worker is not None and any(
            self.office.may_get(address) for address in (worker.mobile, worker.email) if address is not None)

    def _people(self, connection: Connection, council: str, now: datetime) -> int:
        if (stated := self.office.councils.councils[council].people) is not None:
            return stated
        since = now - PEOPLE_WITHIN
        return connection.scalar(sa.select(sa.func.count(alert.c.person_ref.distinct())).where(
            alert.c.council == council,
            sa.or_(alert.c.status == "open", alert.c.opened_at > since, alert.c.ended_noted_at > since))) or 0


def _opened(connection: Connection, council: str, since: datetime) -> Iterable[Any]:
    """Alerts of which the first message has gone out since then, but for those that a person released."""
    rows = connection.execute(
        sa.select(alert.c.alert_id, alert.c.person_ref, alert.c.council).join(step, alert.c.alert_id == step.c.alert_id)
        .where(step.c.released_at > since, step.c.episode == alert.c.episode, step.c.key != BACKFILL,
               sa.or_(step.c.reason.is_(None), step.c.reason != HeldReason.TRIAL), alert.c.ladder_from.is_(None),
               ~_released(since)))
    return [row for row in rows if row.council == council]


def _released(until: datetime | None = None) -> sa.Exists:
    """Whether a step of the alert had gone out, by then or ever."""
    other = step.alias()
    went_out = other.c.released_at.is_not(None) if until is None else other.c.released_at <= until
    return sa.exists().where(other.c.alert_id == alert.c.alert_id, other.c.episode == alert.c.episode, went_out)


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start:start + _MANY] for start in range(0, len(ids), _MANY))
