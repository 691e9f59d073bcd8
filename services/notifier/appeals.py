"""What somebody who answers for a council is asked to see to: a storm to be released, or what does not balance.

One message each, to the service manager or whoever stands in; if their number turns out not to work, to the next.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.ladders.ladder import Target
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.office import Around, Office, take_turn
from services.notifier.outbox import Moment
from services.notifier.publications import new_id
from services.notifier.recipient import Concern
from services.notifier.release import NOBODY_RETRY, HeldReason, Hold, find
from services.notifier.tables import alert, appeal, message, unreachable
from services.notifier.texts import Template

_MANY = 500   # ids in one query

_log = get_logger(__name__)


class Kind(StrEnum):
    """What an appeal is about."""

    STORM = "storm"
    AUDIT = "audit"

    @property
    def template(self) -> Template:
        """How its message is worded."""
        return Template.STORM if self is Kind.STORM else Template.AUDIT


def open_appeal(connection: Connection, council: str, kind: Kind, now: datetime, *, quiet_since: datetime | None = None,
                counts: dict[str, int] | None = None, about: Sequence[str] = ()) -> str:
    """The id of the council's appeal of this kind that has not ended; a new one if there is none.

    One that has not grown since `quiet_since` is asked about once more: this is something new.
    """
    known = connection.execute(sa.select(appeal.c.id, appeal.c.grown_at).where(
        appeal.c.council == council, appeal.c.kind == kind, appeal.c.ended_at.is_(None))).first()
    if known is not None:
        new = {"look_at": now, "message_id": None} if quiet_since is not None and known.grown_at <= quiet_since else {}
        _set(connection, known.id, grown_at=now, **new)
        return str(known.id)
    made = new_id()
    connection.execute(sa.insert(appeal).values(
        id=made, council=council, kind=str(kind), begun_at=now, grown_at=now, look_at=now, counts=counts or {},
        about=list(about)))
    return made


def end_appeal(connection: Connection, council: str, kind: Kind, now: datetime) -> None:
    """There is nothing to be seen to any more."""
    connection.execute(sa.update(appeal).where(appeal.c.council == council, appeal.c.kind == kind, appeal.c.ended_at.is_(None))
                       .values(ended_at=now, look_at=None))


@dataclass(frozen=True, slots=True)
class Appeals:
    """Finds whom to ask, and asks them."""

    office: Office

    def run_once(self) -> int:
        """Ask whoever is to be asked now; return how many messages that makes."""
        now = self.office.moment().now
        due = (sa.select(appeal).where(appeal.c.ended_at.is_(None), appeal.c.look_at <= now,
                                       appeal.c.council.in_(self.office.councils.slugs)))
        with self.office.database.read() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with self.office.database.write() as connection:
            take_turn(connection)
            moment = self.office.moment()
            around = Around(self.office, connection, moment.now)
            return sum(self._ask(connection, row, around, moment) for row in connection.execute(due).mappings().all())

    def staff_changed(self) -> None:
        """Who was waited for may be there, or somebody at all."""
        with self.office.database.write() as connection:
            connection.execute(sa.update(appeal).where(
                appeal.c.ended_at.is_(None), appeal.c.look_at.is_not(None),
                appeal.c.reason.in_((HeldReason.NOT_WORKING, HeldReason.NOBODY))).values(look_at=self.office.moment().now))

    def ask_again(self) -> None:
        """Where the message went to a number that does not work, somebody else is to be asked; where all has ended, nobody."""
        held = sa.exists().where(alert.c.storm_id == appeal.c.id, alert.c.status == "open")
        lost = (sa.select(message.c.id).join(unreachable, unreachable.c.address == message.c.address)
                .where(message.c.state.in_(("failed", "undelivered"))))
        with self.office.database.write() as connection:
            connection.execute(sa.update(appeal).where(appeal.c.ended_at.is_(None), appeal.c.message_id.in_(lost))
                               .values(message_id=None, look_at=self.office.moment().now))
            connection.execute(sa.update(appeal).where(appeal.c.ended_at.is_(None), appeal.c.kind == Kind.STORM, ~held)
                               .values(ended_at=self.office.moment().now, look_at=None))

    def _ask(self, connection: Connection, row: RowMapping, around: Around, moment: Moment) -> bool:
        about = _about(connection, row)
        if not about:
            end_appeal(connection, row["council"], Kind(row["kind"]), moment.now)
            return False
        circumstances = around.now_of(row["council"])
        found = find(Concern(row["council"], None, None), Target.SERVICE_MANAGER, circumstances.calendar, moment.now,
                     circumstances)
        if not isinstance(found, Hold) and not self.office.may_get(found.address):
            found = Hold(HeldReason.TRIAL, moment.now + NOBODY_RETRY, found.worker.ref)
        if isinstance(found, Hold):
            _set(connection, row["id"], look_at=found.until, reason=str(found.reason))
            if row["reason"] != found.reason:
                _log.warning("nobody_asked_yet", council=row["council"], kind=row["kind"], reason=str(found.reason))
            return False
        kind, message_id = Kind(row["kind"]), new_id()
        counts = row["counts"] or {"alerts": len(about), "team": len({each.person_ref for each in about})}
        lines = [{"message_id": message_id, "alert_id": each.alert_id, "episode": each.episode, "step": str(kind),
                  "target": str(Target.SERVICE_MANAGER), "hops": found.reason,
                  "dedupe_key": f"{each.alert_id}/{each.episode}/{kind}-{message_id}"} for each in about]
        outbox.put(connection, message_id, row["council"], found, kind.template, lines, moment, urgent=True, counts=counts)
        _set(connection, row["id"], look_at=None, reason=None, message_id=message_id)
        self.office.metrics.released.labels(row["council"], kind.template).inc()
        _log.warning("asked_to_see_to_it", council=row["council"], kind=str(kind), count=len(about),
                     notification_id=message_id, worker_ref=found.worker.ref)
        return True


def _about(connection: Connection, row: RowMapping) -> Sequence[Any]:
    """The alerts that are still open of those that it is about."""
    query = sa.select(alert.c.alert_id, alert.c.episode, alert.c.person_ref).where(alert.c.status == "open")
    if row["kind"] == Kind.STORM:
        return connection.execute(query.where(alert.c.storm_id == row["id"])).all()
    return connection.execute(query.where(alert.c.alert_id.in_(row["about"][:_MANY]))).all()


def _set(connection: Connection, appeal_id: str, **values: Any) -> None:
    connection.execute(sa.update(appeal).where(appeal.c.id == appeal_id).values(**values))
