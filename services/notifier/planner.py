"""Releases what falls due: looks at each step whose time has come, gathers it for its recipient, and puts one message for each
recipient and release into the outbox. SQL around the pure decisions of `release`.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.calendar import london_day
from keepintouch.councils import Councils
from keepintouch.runtime.logs import get_logger
from schemas.staff import MessageChannel
from services.notifier import outbox
from services.notifier.book import BACKFILL, sync_steps
from services.notifier.database import Database
from services.notifier.directory import Directory
from services.notifier.ladder import Calendar, Target
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.publications import note_step
from services.notifier.recipient import Circumstances, Concern
from services.notifier.release import Gather, Guard, HeldReason, Hold, Release, WaitingStep, look, no_guard, plan
from services.notifier.tables import alert, step, turn, unreachable
from services.notifier.wording import template_of

BACKFILL_QUIET = 10.0
"""Real seconds without a further backfill alert of a council before its summaries go out."""

_AT_ONCE = 2000   # steps looked at in one transaction

_log = get_logger(__name__)


@dataclass(slots=True)
class Planner:
    """Called often; every call does all there is to do. One instance at a time, even if there are several processes."""

    database: Database
    directory: Directory
    councils: Councils
    moment: Callable[[], Moment]
    gather: timedelta
    may_get: Callable[[str], bool]
    metrics: Metrics
    guard: Guard = no_guard
    monotonic: Callable[[], float] = time.monotonic
    _backfill_since: dict[str, float] = field(default_factory=dict)

    def backfill_came(self, councils: Iterable[str]) -> None:
        """Backfill alerts of these councils have just been read: their summaries wait."""
        now = self.monotonic()
        self._backfill_since.update(dict.fromkeys(councils, now))

    def run_once(self) -> int:
        """Look at what is due and release what has been gathered long enough; return how many messages were made."""
        self._settle_backfill()
        while self._look() == _AT_ONCE:
            pass
        return sum(self._release(recipient) for recipient in self._recipients())

    def staff_changed(self) -> None:
        """Who waited for somebody's return, or for anybody at all, may have found someone."""
        with self.database.write() as connection:
            connection.execute(sa.update(step).where(
                step.c.state == "waiting", step.c.look_at.is_not(None),
                step.c.reason.in_((HeldReason.NOT_WORKING, HeldReason.NOBODY))).values(look_at=self.moment().now))

    def _settle_backfill(self) -> None:
        quiet = [council for council, since in list(self._backfill_since.items())
                 if self.monotonic() - since >= BACKFILL_QUIET]
        for council in quiet:
            del self._backfill_since[council]
            with self.database.write() as connection:
                mine = sa.select(alert.c.alert_id).where(alert.c.council == council, alert.c.status == "open")
                connection.execute(sa.update(step).where(
                    step.c.state == "waiting", step.c.key == BACKFILL, step.c.look_at.is_(None),
                    step.c.alert_id.in_(mine)).values(look_at=self.moment().now))

    def _look(self) -> int:
        """Hold or gather what has fallen due; return how many steps that were."""
        with self.database.read() as connection:
            if connection.scalar(self._due(self.moment().now).with_only_columns(step.c.id).limit(1)) is None:
                return 0
        with self.database.write() as connection:
            _take_turn(connection)
            now = self.moment().now
            around = _Around(self, connection, now)
            rows = connection.execute(self._due(now).limit(_AT_ONCE)).mappings().all()
            held: list[tuple[Any, Hold]] = []
            for row in rows:
                decision = look(_waiting(row), around.of(row["council"], _calendar(row)), now, self.gather)
                if isinstance(decision, Hold):
                    held.append((row, decision))
                else:
                    _gather(connection, row["id"], decision)
            self._hold(connection, held, now)
            return len(rows)

    def _due(self, now: datetime) -> sa.Select[Any]:
        return (sa.select(step, *_ALERT_COLUMNS).join(alert, alert.c.alert_id == step.c.alert_id)
                .where(step.c.state == "waiting", step.c.look_at <= now, alert.c.council.in_(self.councils.slugs))
                .order_by(step.c.look_at))

    def _hold(self, connection: Connection, held: Sequence[tuple[Any, Hold]], now: datetime) -> None:
        for row, hold in held:
            connection.execute(sa.update(step).where(step.c.id == row["id"]).values(
                state="waiting", look_at=hold.until, release_at=None, reason=str(hold.reason),
                recipient_ref=hold.recipient_ref))
            if row["reason"] != hold.reason:
                self.metrics.held.labels(str(hold.reason)).inc()
                note_step(connection, [row["alert_id"]], row["key"], "held", now, str(hold.reason), hold.recipient_ref)
                if hold.reason is HeldReason.NOBODY:
                    _log.error("nobody_to_tell", alert_id=row["alert_id"], step=row["key"], council=row["council"])

    def _recipients(self) -> list[str]:
        """For whom something has been gathered long enough."""
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(step.c.recipient_ref).distinct().where(
                step.c.state == "gathering", step.c.release_at <= self.moment().now)))

    def _release(self, recipient_ref: str) -> int:
        """Release all that is being gathered for one recipient; return how many messages that makes."""
        with self.database.write() as connection:
            _take_turn(connection)
            moment = self.moment()
            rows = {row["id"]: row for row in connection.execute(
                sa.select(step, *_ALERT_COLUMNS).join(alert, alert.c.alert_id == step.c.alert_id)
                .where(step.c.state == "gathering", step.c.recipient_ref == recipient_ref,
                       alert.c.council.in_(self.councils.slugs)).order_by(step.c.due_at, step.c.id)
                .with_for_update(of=[alert, step])).mappings()}
            around = _Around(self, connection, moment.now)
            planned = plan(((_waiting(row), recipient_ref) for row in rows.values()),
                           lambda waiting: around.of(waiting.concern.council, waiting.calendar), moment.now, self.gather,
                           self.guard)
            self._hold(connection, [(rows[key], hold) for key, hold in planned.held.items()], moment.now)
            for key, decision in planned.moved.items():
                _gather(connection, key, decision)
            made = sum(self._send(connection, release, moment) for release in planned.releases)
            sync_steps(connection, {waiting.alert_id for each in planned.releases for waiting, _ in each.steps}, moment.now)
            return made

    def _send(self, connection: Connection, release: Release, moment: Moment) -> bool:
        """Make one release's message, or in trial record that there would have been one."""
        allowed = self.may_get(release.recipient.address)
        connection.execute(
            sa.update(step).where(step.c.id.in_([waiting.id for waiting, _ in release.steps])).values(
                state="released", released_at=sa.func.coalesce(step.c.released_at, sa.bindparam("now", moment.now)),
                look_at=None, release_at=None, reason=None if allowed else str(HeldReason.TRIAL)))
        if not allowed:
            self.metrics.held.labels(str(HeldReason.TRIAL)).inc(len(release.steps))
            for waiting, _ in release.steps:
                note_step(connection, [waiting.alert_id], waiting.key, "held", moment.now, str(HeldReason.TRIAL),
                          release.recipient.worker.ref)
            return False
        template = template_of({waiting.key for waiting, _ in release.steps}, {waiting.target for waiting, _ in release.steps})
        message_id = outbox.create(connection, release, template, moment)
        if message_id is not None:
            self.metrics.released.labels(template).inc()
            _log.info("released", notification_id=message_id, council=release.council, kind=str(template),
                      count=len(release.steps), worker_ref=release.recipient.worker.ref)
        return message_id is not None


_ALERT_COLUMNS = (alert.c.council, alert.c.adviser_ref, alert.c.team_ref, alert.c.manager_stands_in, alert.c.severity,
                  alert.c.ladder, alert.c.critical_at)


@dataclass(slots=True)
class _Around:
    """Circumstances for each council and calendar, worked out once in a transaction."""

    planner: Planner
    connection: Connection
    now: datetime
    _known: dict[tuple[str, Calendar], Circumstances] = field(default_factory=dict)
    _dead: frozenset[str] | None = None

    def of(self, slug: str, calendar: Calendar) -> Circumstances:
        if self._dead is None:
            self._dead = frozenset(self.connection.scalars(sa.select(unreachable.c.address)))
        if (slug, calendar) not in self._known:
            council = self.planner.councils.councils[slug]
            channels: set[MessageChannel] = set()
            if council.channels.sms:
                channels.add("sms")
            if council.channels.email:
                channels.add("email")
            self._known[slug, calendar] = Circumstances(
                self.planner.directory, london_day(self.now), calendar, council.fallback, frozenset(channels),
                self._dead.__contains__)
        return self._known[slug, calendar]


def _take_turn(connection: Connection) -> None:
    """Wait until no other instance plans; the turn ends with the transaction."""
    connection.execute(sa.update(turn).where(turn.c.name == "planner").values(count=turn.c.count + 1))


def _gather(connection: Connection, step_id: int, decision: Gather) -> None:
    connection.execute(sa.update(step).where(step.c.id == step_id).values(
        state="gathering", look_at=None, recipient_ref=decision.recipient.worker.ref, release_at=decision.release_at))


def _calendar(row: Any) -> Calendar:
    return Calendar(row["ladder"]["calendar"])


def _waiting(row: Any) -> WaitingStep:
    concern = Concern(row["council"], row["adviser_ref"], row["team_ref"], row["manager_stands_in"])
    since = row["look_at"] if row["look_at"] is not None else row["due_at"]
    return WaitingStep(row["id"], row["alert_id"], row["episode"], row["key"], Target(row["target"]), concern, _calendar(row),
                       row["severity"] == "critical", since)
