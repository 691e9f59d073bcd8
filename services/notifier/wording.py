"""What a message says, read from the book at the last moment before it is handed over.

Between release and hand-over a provider may have been away for hours: what has ended or been acknowledged since is left out.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.calendar import london_day
from keepintouch.ladders.ladder import Calendar, Target, is_open, next_open
from keepintouch.ladders.schedule import BACKFILL
from services.notifier import emails, texts
from services.notifier.emails import Tally
from services.notifier.tables import alert, appeal, line, message, step
from services.notifier.texts import Counts, Template

WENT_OUT = ("sending", "uncertain", "accepted", "sent", "delivered", "undelivered")
"""States of a message that its recipient may have read."""

_TOLD_WITHIN = timedelta(days=60)   # weekly messages tell of it again and again; further back a year would be read each time
_SKEW = timedelta(hours=1)   # between the monitor's clock and ours


@dataclass(frozen=True, slots=True)
class Words:
    """As they are handed over; a text has no subject."""

    subject: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What is left to say, and whether it may be said now."""

    template: Template
    counts: Counts
    about: frozenset[str]
    """Ids of the alerts that it still speaks of."""
    calendar: Calendar
    closed: frozenset[date] = frozenset()
    tallies: tuple[Tally, ...] = ()

    def may_go(self, now: datetime) -> bool:
        """Whether messages go out at this hour."""
        return is_open(now, self.calendar, self.closed)

    def opens(self, now: datetime) -> datetime:
        """The first instant, not before this one, at which it may go out."""
        return next_open(now, self.calendar, self.closed)

    def words(self, channel: str, ref: str, sign_in: str) -> Words:
        """The words, as the channel (sms, email) wants them."""
        if channel == "email":
            return Words(emails.subject(self.template, ref), emails.body(self.template, self.counts, self.tallies, ref, sign_in))
        return Words(None, texts.compose(self.template, self.counts, ref, sign_in))


def wording(connection: Connection, claimed: RowMapping, now: datetime, closed: Iterable[date] = ()) -> Wording | None:
    """Count the people a message is still about; None if nobody is left. `closed`: days on which its council is."""
    template = Template(claimed["template"])
    query = (sa.select(alert.c.alert_id, alert.c.episode, alert.c.person_ref, alert.c.severity, alert.c.ladder, alert.c.rule,
                       alert.c.adviser_ref, alert.c.opened_at, line.c.target, line.c.step)
             .join(line, (line.c.alert_id == alert.c.alert_id) & (line.c.episode == alert.c.episode))
             .where(line.c.message_id == claimed["id"], alert.c.status == "open"))
    if template is Template.STORM:
        query = query.where(alert.c.storm_id.is_not(None))
    if template.of_steps:   # held by what was done after this was released: somebody is on it
        query = query.where(sa.or_(alert.c.held_until.is_(None), alert.c.held_until <= now, alert.c.held_noted_at.is_(None),
                                   alert.c.held_noted_at <= claimed["created_at"]))
    rows = connection.execute(query).all()
    if not rows or _is_settled(connection, claimed):
        return None
    tallies = _tallies(rows) if claimed["channel"] == "email" else ()
    always = any(row.ladder["calendar"] == Calendar.ALWAYS for row in rows)
    calendar = Calendar.ALWAYS if always else Calendar.WORKING_HOURS
    about = frozenset(row.alert_id for row in rows)
    if not template.of_steps:   # it says how things were when it was made
        return Wording(template, Counts(**(claimed["counts"] or {})), about, calendar, frozenset(closed), tallies)
    counts = _counts(connection, claimed, rows)
    return Wording(_template(rows, counts), counts, about, calendar, frozenset(closed), tallies)


def template_of(steps: set[str], targets: set[Target]) -> Template:
    """Which template a release has."""
    if BACKFILL in steps:
        return Template.BACKFILL
    if Target.ADVISER not in targets:
        return Template.MANAGER
    return Template.LADDER if targets == {Target.ADVISER} else Template.MIXED


def _is_settled(connection: Connection, claimed: RowMapping) -> bool:
    """Whether it asks for something that has been seen to meanwhile."""
    return connection.scalar(sa.select(appeal.c.id).where(
        appeal.c.message_id == claimed["id"], appeal.c.ended_at.is_not(None))) is not None


def _counts(connection: Connection, claimed: RowMapping, rows: Sequence[Any]) -> Counts:
    own = {row.person_ref for row in rows if row.target == Target.ADVISER}
    people = {row.person_ref for row in rows}
    return Counts(own=len(own), team=len(people - own),
                  urgent=len({row.person_ref for row in rows if row.severity == "critical"}),
                  again=len(_told_before(connection, claimed, rows)),
                  cleared=len(_cleared(connection, claimed) - people))


def _tallies(rows: Sequence[Any]) -> tuple[Tally, ...]:
    """Counts of people by adviser and rule, those with the oldest alert first."""
    people: dict[tuple[str | None, str], set[str]] = defaultdict(set)
    oldest: dict[tuple[str | None, str], datetime] = {}
    for row in rows:
        key = row.adviser_ref, row.rule
        people[key].add(row.person_ref)
        oldest[key] = min(row.opened_at, oldest.get(key, row.opened_at))
    ordered = sorted(people, key=lambda key: (oldest[key], key[0] or "", key[1]))
    return tuple(Tally(*key, len(people[key]), london_day(oldest[key])) for key in ordered)


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
               message.c.created_at >= min(row.opened_at for row in rows) - _SKEW,
               message.c.template.in_([each for each in Template if each.of_steps]), message.c.state.in_(WENT_OUT))).all()
    return {episodes[key] for row in found if (key := (row.alert_id, row.episode)) in episodes}


def _cleared(connection: Connection, claimed: RowMapping) -> set[str]:
    """People whose alert has ended since the recipient's last text: told of in an earlier one, or held for the recipient."""
    recipient = claimed["recipient_ref"]
    since = connection.scalar(
        sa.select(sa.func.max(message.c.created_at)).where(
            message.c.recipient_ref == recipient, message.c.id != claimed["id"],
            message.c.created_at <= claimed["created_at"], message.c.state.in_(WENT_OUT)))
    held = sa.and_(step.c.recipient_ref == recipient, step.c.state == "cancelled", step.c.reason == "ended")
    ended = sa.select(alert.c.person_ref).distinct().where(
        alert.c.status.in_(("cleared", "withdrawn")))
    if since is None:   # nothing has been told yet
        return set(connection.scalars(ended.join(step, step.c.alert_id == alert.c.alert_id).where(held)))
    # Both by the recipient: what has ended for everybody since a text of long ago is far more.
    told = (sa.select(line.c.alert_id).join(message, message.c.id == line.c.message_id)
            .where(message.c.recipient_ref == recipient, message.c.created_at > since - _TOLD_WITHIN,
                   message.c.state.in_(WENT_OUT), message.c.id != claimed["id"]))
    return set(connection.scalars(ended.where(
        alert.c.ended_noted_at > since, alert.c.alert_id.in_(told.union(sa.select(step.c.alert_id).where(held))))))
