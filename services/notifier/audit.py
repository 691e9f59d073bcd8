"""Checks that nothing has been forgotten, from what the database says and not from what the rest of the program believes.

Two things, in each council. Every open live alert has a next step ahead, a message in flight, or a place in the next weekly
message. And every message that was to be sent has been delivered, has failed, or is demonstrably on its way.

What is found twice running does not balance: a metric, a line in the log, and once a message to the service manager.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.calendar import london_day
from keepintouch.runtime.logs import get_logger
from services.notifier.appeals import Appeals, Kind, end_appeal, open_appeal
from services.notifier.office import Around, Office, take_turn
from services.notifier.outbox import Moment
from services.notifier.recipient import address_of
from services.notifier.tables import alert, appeal, line, message, step
from services.notifier.texts import Template
from services.notifier.weekly import holders

OVERDUE = timedelta(minutes=15)
"""After so much more time than it should have taken, something is not going to happen by itself."""

LOST_SIGHT_OF = timedelta(days=4)
"""Providers have handed a message on within three days, or never do. (Whether it arrived not all of them say.)"""

_IN_FLIGHT = ("pending", "sending", "uncertain", "accepted", "sent")
_SETTLED = ("delivered", "undelivered", "failed", "dropped")
_MOST = 200   # alerts that one message speaks of

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not balance in a council: ids of alerts, and of messages."""

    alerts: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()

    def __and__(self, other: Finding) -> Finding:
        """What is in both."""
        return Finding(self.alerts & other.alerts, self.messages & other.messages)

    def __bool__(self) -> bool:
        return bool(self.alerts or self.messages)


@dataclass(slots=True)
class Auditor:
    """Called every minute or so."""

    office: Office
    appeals: Appeals
    _before: Mapping[str, Finding] = field(default_factory=dict)

    def run_once(self) -> None:
        """Look at everything once; speak of what was so last time, too."""
        self.appeals.ask_again()
        moment = self.office.moment()
        with self.office.database.read() as connection:
            counts = _counts(connection)
            alerts, messages = self._alerts(connection, moment.now), _astray(connection, counts, moment)
            found = {slug: Finding(alerts[slug], messages[slug]) for slug in self.office.councils.councils}
            for slug, finding in found.items():
                self._note_balance(slug, counts[slug], len(finding.messages))
            self._note_storms_and_fallbacks(connection, moment.now)
        for slug, finding in found.items():
            self._tell(slug, finding & self._before.get(slug, Finding()), moment.now)
        self._before = found
        self.office.metrics.audited.set_to_current_time()

    def _tell(self, slug: str, finding: Finding, now: datetime) -> None:
        for kind, count in (("alerts", len(finding.alerts)), ("messages", len(finding.messages))):
            self.office.metrics.unbalanced.labels(slug, kind).set(count)
            if count:
                _log.error("does_not_balance", council=slug, kind=kind, count=count)
        with self.office.database.read() as connection:
            known = connection.scalar(sa.select(appeal.c.id).where(
                appeal.c.council == slug, appeal.c.kind == Kind.AUDIT, appeal.c.ended_at.is_(None)))
        if bool(finding) == (known is not None):
            return
        with self.office.database.write() as connection:
            take_turn(connection)
            if not finding:
                end_appeal(connection, slug, Kind.AUDIT, now)
                return
            of_messages = connection.scalars(sa.select(line.c.alert_id).where(
                line.c.message_id.in_(sorted(finding.messages)[:_MOST])).distinct())
            about = sorted({*finding.alerts, *of_messages})[:_MOST]
            counts = {"alerts": len(finding.alerts), "messages": len(finding.messages)}
            open_appeal(connection, slug, Kind.AUDIT, now, counts=counts, about=about)

    def _alerts(self, connection: Connection, now: datetime) -> Mapping[str, frozenset[str]]:
        """By council, open live alerts of which nobody is ever going to hear again."""
        # In one expression, or SQLite looks for each alert through what waits of all.
        next_at = sa.case((step.c.state == "waiting", step.c.look_at), else_=step.c.release_at)
        ahead = _has_step(step.c.state.in_(("waiting", "gathering")), next_at > now - OVERDUE)
        in_flight = sa.exists().where(
            line.c.alert_id == alert.c.alert_id, line.c.episode == alert.c.episode, message.c.id == line.c.message_id,
            message.c.state.in_(_IN_FLIGHT), message.c.template.in_([each for each in Template if each.of_steps]))
        asked_for = alert.c.storm_id.in_(sa.select(appeal.c.id).where(appeal.c.ended_at.is_(None)))
        waits, told = _has_step(step.c.state.in_(("waiting", "gathering"))), _has_step(step.c.released_at.is_not(None))
        rows = connection.execute(
            sa.select(alert.c.alert_id, alert.c.council, alert.c.adviser_ref, alert.c.team_ref, alert.c.storm_id,
                      waits.label("waits"), told.label("told"))
            .where(alert.c.council.in_(self.office.councils.slugs), alert.c.status == "open", alert.c.mode == "live",
                   sa.case((alert.c.storm_id.is_not(None), ~asked_for), else_=sa.and_(~ahead, ~in_flight)))).all()
        around, found = Around(self.office, connection, now), defaultdict[str, set[str]](set)
        for row in rows:
            weekly = self.office.councils.ladder_of(row.council).weekly is not None
            # Where a council wants no weekly message, who has been told by every step has been told.
            if row.storm_id or row.waits or not row.told or (weekly and not self._has_place(row, around, now)):
                found[row.council].add(row.alert_id)
        return defaultdict(frozenset, {slug: frozenset(some) for slug, some in found.items()})

    def _has_place(self, row: Any, around: Around, now: datetime) -> bool:
        """Whether somebody's weekly message will count it."""
        circumstances = around.now_of(row.council)
        return any(worker.active and worker.works and address_of(worker, circumstances) is not None for worker, _ in holders(
            row.adviser_ref, row.team_ref, row.council, self.office.directory, london_day(now)))

    def _note_balance(self, slug: str, counts: Mapping[str, int], astray: int) -> None:
        settled = {"delivered": counts["delivered"], "failed": counts["undelivered"] + counts["failed"]}
        sent = sum(counts.values())
        for state, count in {**settled, "sent": sent, "astray": astray,
                             "pending": sent - astray - sum(settled.values())}.items():
            self.office.metrics.balance.labels(slug, state).set(count)

    def _note_storms_and_fallbacks(self, connection: Connection, now: datetime) -> None:
        office, around = self.office, Around(self.office, connection, now)
        rows = connection.execute(
            sa.select(alert.c.council, sa.func.count()).where(
                alert.c.council.in_(office.councils.slugs), alert.c.status == "open", alert.c.storm_id.is_not(None))
            .group_by(alert.c.council))
        held: dict[str, int] = {row[0]: row[1] for row in rows}
        for slug, council in office.councils.councils.items():
            office.metrics.storm_held.labels(slug).set(held.get(slug, 0))
            fallback = office.directory.get(council.fallback)
            nobody = fallback is None or address_of(fallback, around.now_of(slug)) is None
            office.metrics.fallback_unresolvable.labels(slug).set(nobody)


def _has_step(*where: sa.ColumnElement[bool]) -> sa.Exists:
    """Whether the alert has such a step, in this episode."""
    return sa.exists().where(step.c.alert_id == alert.c.alert_id, step.c.episode == alert.c.episode, *where)


def _counts(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """Of messages, by council and state; of those that turned out not to be for sending none."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for slug, state, count in connection.execute(
            sa.select(message.c.council, message.c.state, sa.func.count()).group_by(message.c.council, message.c.state)):
        if state != "dropped":
            found[slug][state] = count
    return found


def _astray(connection: Connection, counts: Mapping[str, Mapping[str, int]], moment: Moment) -> Mapping[str, frozenset[str]]:
    """By council, messages that are neither delivered nor failed nor on their way, and so never will be."""
    late = moment.real - OVERDUE

    def stale(column: sa.ColumnElement[datetime], state: str) -> sa.ColumnElement[bool]:
        return sa.and_(message.c.state == state, sa.or_(column.is_(None), column <= late))
    unknown = sorted({state for mine in counts.values() for state in mine} - {*_IN_FLIGHT, *_SETTLED})
    found = defaultdict[str, set[str]](set)
    # Each by its state, of which there is an index: together they would read through a year of what is settled.
    for where in (stale(message.c.next_try_at, "pending"), stale(message.c.lease_until, "sending"),
                  stale(message.c.look_again_at, "uncertain"),
                  sa.and_(message.c.state == "accepted", message.c.changed_at <= moment.now - LOST_SIGHT_OF),
                  message.c.state.in_(unknown)):
        for slug, message_id in connection.execute(sa.select(message.c.council, message.c.id).where(where)):
            found[slug].add(message_id)
    return defaultdict(frozenset, {slug: frozenset(some) for slug, some in found.items()})
