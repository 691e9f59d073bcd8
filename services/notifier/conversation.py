"""What a text from a member of staff does. SQL; runs in the caller's transaction.

Only a command about a text that went to the very number it comes from does anything; the same text delivered again does
nothing more and is answered the same.
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

_REPLY = uuid5(NAMESPACE_URL, "urn:keep-in-touch:reply")
_NOT_SENT = ("pending", "dropped", "failed")


class Heard(StrEnum):
    """What a text was."""

    ACTED = "acted"
    ENDED = "ended"                     # nothing it was about is open any more
    PROVIDERS_OWN = "providers_own"     # STOP and the like
    NOT_UNDERSTOOD = "not_understood"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Text:
    """A text as a provider delivers it."""

    provider: str
    provider_id: str
    sender: str
    body: str


def hear(connection: Connection, text: Text, is_manager: Callable[[str], bool], moment: Moment) -> tuple[Heard, str | None]:
    """Do what a text asks for; return what it was, and the answer if there is to be one."""
    before = connection.execute(sa.select(inbound.c.answer).where(
        inbound.c.provider == text.provider, inbound.c.provider_id == text.provider_id)).one_or_none()
    if before is not None:
        return Heard.REPEATED, before.answer
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
    if not isinstance(command, Command) or command.action == "release":   # storms, for which 9 is, do not arise yet
        return not_understood
    about = _message(connection, command.ref, text.sender)
    if about is None:
        return not_understood
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
    return Heard.ACTED, texts.answer(command.action, command.ref, _next(connection, still_open))


def _message(connection: Connection, ref: str, sender: str) -> RowMapping | None:
    """The text that a reply is about, if it may be answered and went to this number."""
    row = connection.execute(sa.select(message).where(message.c.ref == ref)).mappings().one_or_none()
    if row is None or row["address"] != sender or row["state"] in _NOT_SENT:
        return None
    return row if Template(row["template"]).answerable else None


def _action(text: Text, action: Action, alert_id: str, about: RowMapping, moment: Moment) -> AlertAction:
    return AlertAction(action_id=str(uuid5(_REPLY, f"{text.provider}/{text.provider_id}/{alert_id}")), alert_id=UUID(alert_id),
                       action=action, actor_ref=about["recipient_ref"], at=moment.now, via="sms", until=None, note_code=None)


def _next(connection: Connection, alert_ids: list[str]) -> texts.Upcoming | None:
    """The next step of these alerts if nothing changes."""
    found = []
    for alert_id in alert_ids:
        known = schedule_of(connection, alert_id)
        if known is not None and (due := known[0].upcoming(known[1])) is not None:
            found.append(texts.Upcoming(due.at, due.step.to))
    return min(found, key=lambda each: each.at, default=None)


def _answered_lately(connection: Connection, sender: str, moment: Moment) -> bool:
    return connection.scalar(sa.select(inbound.c.provider_id).where(
        inbound.c.sender == sender, inbound.c.outcome == Heard.NOT_UNDERSTOOD, inbound.c.answer.is_not(None),
        inbound.c.received_at > moment.now - FIXED_ANSWERS_EVERY).limit(1)) is not None
