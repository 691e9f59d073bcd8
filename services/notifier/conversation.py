"""What a text from a member of staff does. SQL; runs in the caller's transaction.

Only a command about a text that went to the very number it comes from does anything; the same text delivered again does
nothing more and is answered the same, but for the fixed answer, which is given once.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.ladders.ladder import Ladder, next_open
from schemas.actions import Action, AlertAction
from services.notifier import texts
from services.notifier.book import apply_actions, schedule_of
from services.notifier.outbox import Moment
from services.notifier.publications import note_action
from services.notifier.replies import Command, NoCommand, read_reply
from services.notifier.tables import alert, inbound, line, message
from services.notifier.texts import Template

FIXED_ANSWERS_EVERY = timedelta(minutes=1)
"""At most one answer to what is not understood, per number, in this time."""

FIXED_ANSWERS_AN_HOUR = 15
"""Nor more than these, as they are all the same: networks drop what is sent to a number word for word over 20 times an hour."""

_REPLY = uuid5(NAMESPACE_URL, "urn:keep-in-touch:reply")


class Heard(StrEnum):
    """What a text was."""

    ACTED = "acted"
    ENDED = "ended"                     # nothing it was about is open any more
    PROVIDERS_OWN = "providers_own"     # STOP and the like
    NOT_UNDERSTOOD = "not_understood"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Text:
    """A text as a provider delivers it. `councils`: for which it may speak; None: for any."""

    provider: str
    provider_id: str
    sender: str
    body: str
    councils: frozenset[str] | None = None


def hear(connection: Connection, text: Text, is_manager: Callable[[str], bool], moment: Moment) -> tuple[Heard, str | None]:
    """Do what a text asks for; return what it was, and the answer if there is to be one."""
    before = connection.execute(sa.select(inbound.c.answer, inbound.c.outcome).where(
        inbound.c.provider == text.provider, inbound.c.provider_id == text.provider_id)).one_or_none()
    if before is not None:   # the fixed answer is not given twice within its minute
        return Heard.REPEATED, None if before.outcome == Heard.NOT_UNDERSTOOD else before.answer
    heard, answer = _act(connection, text, is_manager, moment)
    sender = sha256(text.sender.encode()).hexdigest()
    if heard is Heard.NOT_UNDERSTOOD and _answered_lately(connection, sender, moment):
        answer = None
    connection.execute(sa.insert(inbound).values(
        provider=text.provider, provider_id=text.provider_id, sender=sender, outcome=str(heard), answer=answer,
        received_at=moment.now))
    return heard, answer


def _act(connection: Connection, text: Text, is_manager: Callable[[str], bool], moment: Moment) -> tuple[Heard, str | None]:
    not_understood = Heard.NOT_UNDERSTOOD, texts.NOT_UNDERSTOOD
    command = read_reply(text.body)
    if command is NoCommand.PROVIDERS_OWN:
        return Heard.PROVIDERS_OWN, None
    if not isinstance(command, Command):
        return not_understood
    about = _message(connection, command.ref, text.sender)
    if about is None or (text.councils is not None and about["council"] not in text.councils):
        return not_understood
    if (command.action == "release") != (about["template"] == Template.STORM):
        return not_understood
    if command.action == "release":
        return _release(connection, text, command.ref, about, is_manager, moment)
    rows = connection.execute(
        sa.select(alert.c.alert_id, alert.c.person_ref, alert.c.status, (alert.c.episode == line.c.episode).label("same"))
        .join(line, line.c.alert_id == alert.c.alert_id).where(line.c.message_id == about["id"]).distinct()
        .order_by(alert.c.alert_id)).all()
    if command.action != "acknowledge" and len({row.person_ref for row in rows}) != 1:
        return not_understood
    still_open = [row.alert_id for row in rows if row.status == "open" and row.same]
    if not still_open:
        return Heard.ENDED, texts.ended(command.ref)
    actions = [_action(text, command.action, alert_id, about, moment) for alert_id in still_open]
    for action in apply_actions(connection, actions, is_manager, moment.now):
        note_action(connection, action)
    upcoming, weekly = _next(connection, still_open, about, moment)
    return Heard.ACTED, texts.answer(command.action, command.ref, upcoming, weekly=weekly)


def _release(connection: Connection, text: Text, ref: str, about: RowMapping, is_manager: Callable[[str], bool],
             moment: Moment) -> tuple[Heard, str]:
    """Let go what storms of the council hold: one action, on the first of the alerts."""
    storm = connection.execute(
        sa.select(alert.c.alert_id, alert.c.ladder)
        .where(alert.c.storm_id.is_not(None), alert.c.council == about["council"], alert.c.status == "open")
        .order_by(alert.c.alert_id).limit(1)).one_or_none()
    if storm is None:
        return Heard.ENDED, texts.released_already(ref)
    action = _action(text, "release", storm.alert_id, about, moment)
    for new in apply_actions(connection, [action], is_manager, moment.now):
        note_action(connection, new)
    ladder = Ladder.from_json(storm.ladder)
    opens = next_open(moment.now, ladder.calendar, ladder.closed)
    return Heard.ACTED, texts.released(ref, None if opens == moment.now else opens)


def _message(connection: Connection, ref: str, sender: str) -> RowMapping | None:
    """The text that a reply is about, if it may be answered and went to this number."""
    row = connection.execute(sa.select(message).where(message.c.ref == ref)).mappings().one_or_none()
    if row is None or row["address"] != sender or row["body"] is None:   # not even begun to be sent
        return None
    template = Template(row["template"])
    return row if template.answerable or template is Template.STORM else None


def _action(text: Text, action: Action, alert_id: str, about: RowMapping, moment: Moment) -> AlertAction:
    return AlertAction(action_id=str(uuid5(_REPLY, f"{text.provider}/{text.provider_id}/{alert_id}")), alert_id=UUID(alert_id),
                       action=action, actor_ref=about["recipient_ref"], at=moment.now, via="sms", until=None, note_code=None)


def _next(connection: Connection, alert_ids: list[str], about: RowMapping,
          moment: Moment) -> tuple[texts.Upcoming | None, bool]:
    """The next step of these alerts if nothing changes, when it goes out; and whether there is a weekly message besides."""
    mine = set(connection.scalars(sa.select(line.c.target).where(line.c.message_id == about["id"])))
    found, weekly = [], False
    for alert_id in alert_ids:
        known = schedule_of(connection, alert_id)
        if known is None:
            continue
        ladder, due = known.ladder, known.schedule.upcoming(known.released)
        weekly = weekly or ladder.weekly
        if due is not None:
            at = next_open(max(due.at, moment.now), ladder.calendar, ladder.closed)
            found.append(texts.Upcoming(at, due.step.to, again=bool(mine.intersection(due.step.to))))
    return min(found, key=lambda each: each.at, default=None), weekly


def _answered_lately(connection: Connection, sender: str, moment: Moment) -> bool:
    times = list(connection.scalars(sa.select(inbound.c.received_at).where(
        inbound.c.sender == sender, inbound.c.outcome == Heard.NOT_UNDERSTOOD, inbound.c.answer.is_not(None),
        inbound.c.received_at > moment.now - timedelta(hours=1))))
    return len(times) >= FIXED_ANSWERS_AN_HOUR or any(each > moment.now - FIXED_ANSWERS_EVERY for each in times)
