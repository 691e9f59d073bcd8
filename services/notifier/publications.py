"""What is to be published, written in the same transaction as what it tells of; a loop of its own sends it to Kafka."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.runtime.topics import ALERT_ACTIONS, NOTIFICATIONS
from schemas.actions import AlertAction
from schemas.notifications import Notification, NotificationState
from services.notifier.tables import line, publication


@dataclass(frozen=True, slots=True)
class Pending:
    """One value to be published under each of its keys."""

    seq: int
    topic: str
    keys: tuple[str, ...]
    value: bytes


def note_step(connection: Connection, alert_ids: Iterable[str], key: str, state: NotificationState, at: datetime, reason: str,
              recipient_ref: str | None = None) -> None:
    """Say of alerts that a step was held, merged or dropped, and why, where there is no message to speak of."""
    rows = []
    for alert_id in alert_ids:
        told = Notification(notification_id=f"{alert_id}/{key}", alert_ids=[UUID(alert_id)], recipient_ref=recipient_ref,
                            step=key, state=state, at=at, reason=reason)
        rows.append({"topic": NOTIFICATIONS, "keys": [alert_id], "value": told.model_dump_json()})
    if rows:
        connection.execute(sa.insert(publication), rows)


def note_message(connection: Connection, message: RowMapping, at: datetime, *, reason: str | None = None) -> None:
    """Publish the state a message is in, under the key of every alert it is about.

    Without another reason, the one given is past whom it came to its recipient.
    """
    rows = connection.execute(sa.select(line.c.alert_id, line.c.step, line.c.hops).where(line.c.message_id == message["id"])
                              .order_by(line.c.alert_id, line.c.step)).all()
    alert_ids = [UUID(key) for key in dict.fromkeys(row.alert_id for row in rows)]
    keys: dict[tuple[str, str | None], list[str]] = {}
    for row in rows:
        keys.setdefault((row.step, reason or row.hops), []).append(row.alert_id)
    publications = []
    for (step, why), mine in keys.items():
        told = Notification(
            notification_id=message["id"], alert_ids=alert_ids, recipient_ref=message["recipient_ref"], ref=message["ref"],
            step=step, channel=message["channel"], provider=message["provider"], template=message["template"],
            state=message["state"], at=at, provider_id=message["provider_id"],
            possible_duplicate=message["possible_duplicate"], reason=why)
        publications.append({"topic": NOTIFICATIONS, "keys": list(dict.fromkeys(mine)), "value": told.model_dump_json()})
    if publications:
        connection.execute(sa.insert(publication), publications)


def note_action(connection: Connection, action: AlertAction) -> None:
    """Publish what somebody did by text message."""
    connection.execute(sa.insert(publication), [
        {"topic": ALERT_ACTIONS, "keys": [str(action.alert_id)], "value": action.model_dump_json()}])


def oldest(connection: Connection, limit: int) -> list[Pending]:
    """What is to be published next, in order."""
    rows = connection.execute(sa.select(publication).order_by(publication.c.seq).limit(limit)).all()
    return [Pending(row.seq, row.topic, tuple(row.keys), row.value.encode()) for row in rows]


def forget(connection: Connection, published: Sequence[Pending]) -> None:
    """These are on their topics, acknowledged."""
    connection.execute(sa.delete(publication).where(publication.c.seq.in_([each.seq for each in published])))


def new_id() -> str:
    """A random id of a message: 32 hexadecimal digits."""
    return uuid4().hex
