"""Forgets what is settled and older than it need be kept, a little at a time.

What has ended goes with all that was due, done and said about it; of what is open only old messages that no step rests on.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.runtime.database import Database
from keepintouch.runtime.logs import get_logger
from services.notifier.book import delete_alerts
from services.notifier.outbox import Moment
from services.notifier.tables import (
    act,
    alert,
    appeal,
    inbound,
    last_known,
    line,
    message,
    provider_event,
    step,
    unreachable,
    weekly,
)

HOURLY = timedelta(hours=1)

_AT_ONCE = 200   # of each kind in one transaction: others wait no longer than for a message

_log = get_logger(__name__)


@dataclass(slots=True)
class Forgetting:
    """Called often; once an hour it forgets all there is to forget."""

    database: Database
    moment: Callable[[], Moment]
    keep: timedelta
    _again_at: datetime | None = None

    def run_once(self) -> int:
        """Forget, if it is time; return how many rows of alerts, messages and the rest that were."""
        moment, total = self.moment(), 0
        if self._again_at is not None and moment.real < self._again_at:
            return 0
        self._again_at, until = moment.real + HOURLY, moment.now - self.keep
        for some in (_alerts, _messages, _others):
            while True:
                with self.database.write() as connection:
                    count = some(connection, until)
                total += count
                if count < _AT_ONCE:
                    break
        if total:
            _log.info("forgotten", count=total)
        return total


def _alerts(connection: Connection, until: datetime) -> int:
    ended = connection.scalars(sa.select(alert.c.alert_id).where(alert.c.status != "open", alert.c.ended_noted_at < until)
                               .order_by(alert.c.ended_noted_at).limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
    delete_alerts(connection, ended)
    return len(ended)


def _messages(connection: Connection, until: datetime) -> int:
    """Those that no open alert needs: of a step that has gone out it must be known to whom it went."""
    of_step = sa.exists().where(line.c.message_id == message.c.id, step.c.alert_id == line.c.alert_id,
                                step.c.episode == line.c.episode, step.c.key == line.c.step, alert.c.alert_id == line.c.alert_id,
                                alert.c.episode == line.c.episode)
    asked = sa.exists().where(appeal.c.message_id == message.c.id, appeal.c.ended_at.is_(None))
    old = connection.scalars(
        sa.select(message.c.id).where(message.c.created_at < until, message.c.state.not_in(("pending", "sending", "uncertain")),
                                      ~of_step, ~asked).limit(_AT_ONCE)).all()
    for table, column in ((line, line.c.message_id), (provider_event, provider_event.c.message_id), (message, message.c.id)):
        connection.execute(sa.delete(table).where(column.in_(old)))
    return len(old)


def _others(connection: Connection, until: datetime) -> int:
    """Actions on alerts never heard of, replies, appeals, who has had which weekly message, addresses that did not work, and
    where the records of those led who have gone and of whose people nothing is open."""
    counts = [
        _delete(connection, act, act.c.noted_at < until, ~sa.exists().where(alert.c.alert_id == act.c.alert_id)),
        _delete(connection, inbound, inbound.c.received_at < until),
        _delete(connection, appeal, appeal.c.ended_at < until),
        _delete(connection, weekly, weekly.c.made_at < until),
        _delete(connection, unreachable, unreachable.c.since < until),
        _delete(connection, last_known, last_known.c.gone_at < until, ~sa.exists().where(
            alert.c.council == last_known.c.council, alert.c.status == "open", alert.c.adviser_ref == last_known.c.worker_ref))]
    return max(counts)


def _delete(connection: Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    key = table.primary_key.columns
    some = sa.select(*key).where(*where).limit(_AT_ONCE)
    return connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(some))).rowcount
