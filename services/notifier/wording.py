"""What a message says, read from the book at the last moment before it is handed over.

Between release and hand-over a provider may have been away for hours: what has ended or been acknowledged since is left out.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from services.notifier.book import BACKFILL
from services.notifier.ladder import Calendar, Target, is_open
from services.notifier.tables import alert, line, message, step
from services.notifier.texts import Counts, Template

_WENT_OUT = ("sending", "uncertain", "accepted", "sent", "delivered", "undelivered")


@dataclass(frozen=True, slots=True)
class Wording:
    """What is left to say, and whether it may be said now."""

    template: Template
    counts: Counts
    calendar: Calendar

    def may_go(self, now: datetime) -> bool:
        """Whether messages go out at this hour."""
        return is_open(now, self.calendar)


def wording(connection: Connection, claimed: RowMapping, now: datetime) -> Wording | None:
    """Count the people a message is still about; None if nobody is left."""
    rows = connection.execute(
        sa.select(alert.c.alert_id, alert.c.episode, alert.c.person_ref, alert.c.severity, alert.c.ladder, line.c.target,
                  line.c.step)
        .join(line, (line.c.alert_id == alert.c.alert_id) & (line.c.episode == alert.c.episode))
        .where(line.c.message_id == claimed["id"], alert.c.status == "open",
               # Held by what was done after this was released: somebody is on it.
               sa.or_(alert.c.held_until.is_(None), alert.c.held_until <= now, alert.c.held_noted_at.is_(None),
                      alert.c.held_noted_at <= claimed["created_at"]))).all()
    if not rows:
        return None
    own = {row.person_ref for row in rows if row.target == Target.ADVISER}
    people = {row.person_ref for row in rows}
    counts = Counts(own=len(own), team=len(people - own),
                    urgent=len({row.person_ref for row in rows if row.severity == "critical"}),
                    again=len(_told_before(connection, claimed, rows)),
                    cleared=len(_cleared(connection, claimed) - people))
    always = any(row.ladder["calendar"] == Calendar.ALWAYS for row in rows)
    return Wording(_template(rows, counts), counts, Calendar.ALWAYS if always else Calendar.WORKING_HOURS)


def template_of(steps: set[str], targets: set[Target]) -> Template:
    """Which template a release has."""
    if BACKFILL in steps:
        return Template.BACKFILL
    if Target.ADVISER not in targets:
        return Template.MANAGER
    return Template.LADDER if targets == {Target.ADVISER} else Template.MIXED


def _template(rows: Any, counts: Counts) -> Template:
    if any(row.step == BACKFILL for row in rows):
        return Template.BACKFILL
    if not counts.own:
        return Template.MANAGER
    return Template.MIXED if counts.team else Template.LADDER


def _told_before(connection: Connection, claimed: RowMapping, rows: Any) -> set[str]:
    """People about whom the recipient has had a text in the same episode."""
    episodes = {(row.alert_id, row.episode): row.person_ref for row in rows}
    found = connection.execute(
        sa.select(line.c.alert_id, line.c.episode).join(message, message.c.id == line.c.message_id)
        .where(line.c.alert_id.in_({row.alert_id for row in rows}), message.c.recipient_ref == claimed["recipient_ref"],
               message.c.id != claimed["id"], message.c.created_at <= claimed["created_at"],
               message.c.state.in_(_WENT_OUT))).all()
    return {episodes[key] for row in found if (key := (row.alert_id, row.episode)) in episodes}


def _cleared(connection: Connection, claimed: RowMapping) -> set[str]:
    """People whose alert has ended since the recipient's last text: told of in an earlier one, or held for the recipient."""
    recipient = claimed["recipient_ref"]
    since = connection.scalar(
        sa.select(sa.func.max(message.c.created_at)).where(
            message.c.recipient_ref == recipient, message.c.id != claimed["id"],
            message.c.created_at <= claimed["created_at"], message.c.state.in_(_WENT_OUT)))
    held = sa.select(step.c.alert_id).where(step.c.recipient_ref == recipient, step.c.state == "cancelled",
                                            step.c.reason == "ended")
    told = (sa.select(line.c.alert_id).join(message, message.c.id == line.c.message_id)
            .where(message.c.recipient_ref == recipient, message.c.state.in_(_WENT_OUT), message.c.id != claimed["id"]))
    ended = (sa.select(alert.c.person_ref).distinct()
             .where(alert.c.status.in_(("cleared", "withdrawn")), alert.c.person_ref.is_not(None),
                    sa.or_(alert.c.alert_id.in_(held), alert.c.alert_id.in_(told))))
    if since is not None:
        ended = ended.where(alert.c.ended_noted_at > since)
    return set(connection.scalars(ended))
