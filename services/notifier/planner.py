"""Releases what falls due: looks at each step whose time has come, gathers it for its recipient, and puts one message for each
recipient and release into the outbox. SQL around the pure decisions of `release`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.councils import Councils
from keepintouch.ladders.ladder import Calendar, Target
from keepintouch.ladders.schedule import BACKFILL
from keepintouch.runtime.database import Database
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.appeals import Appeals
from services.notifier.book import sync_steps
from services.notifier.directory import Directory
from services.notifier.metrics import Metrics
from services.notifier.office import Around, Office, take_turn
from services.notifier.outbox import Moment
from services.notifier.publications import note_step
from services.notifier.recipient import Concern
from services.notifier.release import Gather, HeldReason, Hold, Release, WaitingStep, look, plan
from services.notifier.storms import Storms
from services.notifier.tables import alert, backfill, step
from services.notifier.weekly import WeeklyMessages
from services.notifier.wording import template_of

BACKFILL_QUIET = timedelta(seconds=10)
"""Real time without a further backfill alert of a council before its summaries go out."""

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
    hourly_cap: int = 60
    office: Office = field(init=False)
    appeals: Appeals = field(init=False)
    _storms: Storms = field(init=False)
    _weekly: WeeklyMessages = field(init=False)

    def __post_init__(self) -> None:
        """Who helps."""
        self.office = Office(self.database, self.directory, self.councils, self.moment, self.may_get, self.metrics)
        self.appeals = Appeals(self.office)
        self._storms, self._weekly = Storms(self.office, self.gather), WeeklyMessages(self.office)

    def run_once(self) -> int:
        """Look at what is due and release what has been gathered long enough; return how many messages were made."""
        self._settle_backfill()
        while self._look() == _AT_ONCE:
            pass
        ready = self._ready()
        for council in sorted({council for council, _ in ready}):
            self._storms.hold_back(council)
        made = sum(self._release(recipient) for _, recipient in ready)
        return made + self.appeals.run_once() + self._weekly.run_once()

    def staff_changed(self) -> None:
        """Who waited for somebody's return, or for anybody at all, may have found someone."""
        now = self.moment().now
        with self.database.write() as connection:
            connection.execute(sa.update(step).where(
                step.c.state == "waiting", step.c.look_at.is_not(None),
                step.c.reason.in_((HeldReason.NOT_WORKING, HeldReason.NOBODY))).values(look_at=now))
        self.appeals.staff_changed()

    def _settle_backfill(self) -> None:
        """Let go the summaries of councils of which nothing has come for long enough, to whichever instance."""
        quiet = backfill.c.came_at <= self.moment().real - BACKFILL_QUIET
        with self.database.read() as connection:
            councils = connection.scalars(sa.select(backfill.c.council).where(quiet)).all()
        for council in councils:
            with self.database.write() as connection:
                if not connection.execute(sa.delete(backfill).where(backfill.c.council == council, quiet)).rowcount:
                    continue   # something has come meanwhile
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
            take_turn(connection)
            now = self.moment().now
            around = Around(self.office, connection, now)
            rows = connection.execute(self._due(now).limit(_AT_ONCE)).mappings().all()
            held: list[tuple[Any, Hold]] = []
            gathered: dict[int, Gather] = {}
            for row in rows:
                # From now on, not from when it was due: what is read late, or after a start, is one release too.
                decision = look(_waiting(row, now), around.of(row["council"], _calendar(row)), now, self.gather)
                if isinstance(decision, Hold):
                    held.append((row, decision))
                else:
                    gathered[row["id"]] = decision
            _gather(connection, gathered)
            self._hold(connection, held, now)
            return len(rows)

    def _due(self, now: datetime) -> sa.Select[Any]:
        return (sa.select(step, *_ALERT_COLUMNS).join(alert, alert.c.alert_id == step.c.alert_id)
                .where(step.c.state == "waiting", step.c.look_at <= now, alert.c.council.in_(self.councils.slugs))
                .order_by(step.c.look_at))

    def _hold(self, connection: Connection, held: Sequence[tuple[Any, Hold]], now: datetime) -> None:
        if not held:
            return
        connection.execute(
            sa.update(step).where(step.c.id == sa.bindparam("the_id")).values(
                state="waiting", look_at=sa.bindparam("until"), release_at=None, reason=sa.bindparam("why"),
                recipient_ref=sa.bindparam("who")),
            [{"the_id": row["id"], "until": hold.until, "why": str(hold.reason),
              "who": hold.recipient_ref or row["recipient_ref"]} for row, hold in held])
        for row, hold in held:
            if row["reason"] != hold.reason:
                self.metrics.held.labels(str(hold.reason)).inc()
                note_step(connection, [row["alert_id"]], row["key"], "held", now, str(hold.reason), hold.recipient_ref)
                if hold.reason is HeldReason.NOBODY:
                    _log.error("nobody_to_tell", alert_id=row["alert_id"], step=row["key"], council=row["council"])

    def _ready(self) -> list[tuple[str, str]]:
        """For whom something has been gathered long enough: council and recipient."""
        with self.database.read() as connection:
            rows = connection.execute(
                sa.select(alert.c.council, step.c.recipient_ref).distinct().join(alert, alert.c.alert_id == step.c.alert_id)
                .where(step.c.state == "gathering", step.c.release_at <= self.moment().now,
                       alert.c.council.in_(self.councils.slugs))).all()
        return sorted((row.council, row.recipient_ref) for row in rows)

    def _release(self, recipient_ref: str) -> int:
        """Release all that is being gathered for one recipient; return how many messages that makes."""
        with self.database.write() as connection:
            take_turn(connection)
            moment = self.moment()
            rows = {row["id"]: row for row in connection.execute(
                sa.select(step, *_ALERT_COLUMNS).join(alert, alert.c.alert_id == step.c.alert_id)
                .where(step.c.state == "gathering", step.c.recipient_ref == recipient_ref,
                       alert.c.council.in_(self.councils.slugs)).order_by(step.c.due_at, step.c.id)
                .with_for_update(of=[alert, step])).mappings()}
            around = Around(self.office, connection, moment.now)
            planned = plan(((_waiting(row, row["due_at"]), recipient_ref) for row in rows.values()),
                           lambda waiting: around.of(waiting.concern.council, waiting.calendar), moment.now, self.gather)
            full_until = outbox.full_until(connection, recipient_ref, self.hourly_cap, moment.now)
            releases = planned.releases if full_until is None else ()
            over = {waiting.id: Hold(HeldReason.HOURLY_CAP, full_until, recipient_ref)
                    for each in planned.releases for waiting, _ in each.steps} if full_until is not None else {}
            self._hold(connection, [(rows[key], hold) for key, hold in {**planned.held, **over}.items()], moment.now)
            _gather(connection, planned.moved)
            made = sum(self._send(connection, release, moment) for release in releases)
            sync_steps(connection, {waiting.alert_id for each in releases for waiting, _ in each.steps}, moment.now)
        if over:
            urgent = sum(each.urgent for each in planned.releases)
            (_log.error if urgent else _log.warning)("hourly_cap", worker_ref=recipient_ref, count=len(over),
                                                     kind="critical" if urgent else None)
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
            self.metrics.released.labels(release.council, template).inc()
            _log.info("released", notification_id=message_id, council=release.council, kind=str(template),
                      count=len(release.steps), worker_ref=release.recipient.worker.ref)
        return message_id is not None


_ALERT_COLUMNS = (alert.c.council, alert.c.adviser_ref, alert.c.team_ref, alert.c.manager_stands_in, alert.c.severity,
                  alert.c.ladder, alert.c.critical_at, alert.c.storm_id, alert.c.held_until, alert.c.held_noted_at)


def _gather(connection: Connection, gathered: Mapping[int, Gather]) -> None:
    if gathered:
        connection.execute(
            sa.update(step).where(step.c.id == sa.bindparam("the_id")).values(
                state="gathering", look_at=None, recipient_ref=sa.bindparam("who"), release_at=sa.bindparam("at")),
            [{"the_id": key, "who": each.recipient.worker.ref, "at": each.release_at} for key, each in gathered.items()])


def _calendar(row: Any) -> Calendar:
    return Calendar(row["ladder"]["calendar"])


def _waiting(row: Any, since: datetime) -> WaitingStep:
    concern = Concern(row["council"], row["adviser_ref"], row["team_ref"], row["manager_stands_in"])
    return WaitingStep(row["id"], row["alert_id"], row["episode"], row["key"], Target(row["target"]), concern, _calendar(row),
                       row["severity"] == "critical", since, row["storm_id"] is not None, _held_since(row))


def _held_since(row: Any) -> datetime | None:
    """Until when a step that was released before is held by what was done afterwards; a hold on others is in the schedule."""
    released, noted = row["released_at"], row["held_noted_at"]
    return row["held_until"] if released is not None and noted is not None and noted > released else None
