"""What is to be published, written in the same transaction as what it tells of; a loop of its own sends it to Kafka."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from keepintouch.runtime.topics import ALERT_ACTIONS, NOTIFICATIONS
from schemas.actions import AlertAction
from schemas.notifications import FINAL_STATES, MOST_IDS, Notification, NotificationState
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
    """Publish the state a message is in, under the key of every alert it is about; of very many alerts in parts.

    Each alert has one record, also where several of its steps went into the message: the furthest step's. Without another
    reason, the one given is past whom it came to its recipient.
    """
    lines = connection.execute(sa.select(line.c.alert_id, line.c.step, line.c.hops).where(line.c.message_id == message["id"])
                               .order_by(line.c.alert_id)).all()
    furthest = {row.alert_id: row for row in sorted(lines, key=lambda row: how_far(row.step))}
    every = sorted(furthest)
    part_of = {key: number // MOST_IDS for number, key in enumerate(every)}
    keys: dict[tuple[str, str | None, int], list[str]] = {}
    for row in map(furthest.__getitem__, every):
        keys.setdefault((row.step, reason or row.hops, part_of[row.alert_id]), []).append(row.alert_id)
    publications = []
    for (step, why, part), mine in keys.items():
        alert_ids = [UUID(key) for key in every[part * MOST_IDS:(part + 1) * MOST_IDS]]
        told = Notification(
            notification_id=message["id"], alert_ids=alert_ids, recipient_ref=message["recipient_ref"], ref=message["ref"],
            step=step, channel=message["channel"], provider=message["provider"], template=message["template"],
            state=message["state"], at=at, provider_id=message["provider_id"],
            possible_duplicate=message["possible_duplicate"], reason=why)
        publications.append({"topic": NOTIFICATIONS, "keys": mine, "value": told.model_dump_json()})
    if publications:
        connection.execute(sa.insert(publication), publications)


def how_far(step: str) -> tuple[bool, int]:
    """Where a step stands among others of its alert: later ones are greater; what is outside the ladder comes first."""
    return step.isdigit(), int(step) if step.isdigit() else 0


def note_action(connection: Connection, action: AlertAction) -> None:
    """Publish what somebody did by text message."""
    connection.execute(sa.insert(publication), [
        {"topic": ALERT_ACTIONS, "keys": [str(action.alert_id)], "value": action.model_dump_json()}])


def oldest(connection: Connection, limit: int) -> list[Pending]:
    """What is to be published next, in order."""
    rows = connection.execute(sa.select(publication).order_by(publication.c.seq).limit(limit)).all()
    return [Pending(row.seq, row.topic, tuple(row.keys), row.value.encode()) for row in rows]


def without_outdated(pending: Sequence[Pending]) -> list[Pending]:
    """The same, but what is said of a provider's message before its final state, which is among them, goes to nobody."""
    ends: dict[tuple[str, str], int] = {}
    told = [Notification.model_validate_json(each.value) if each.topic == NOTIFICATIONS else None for each in pending]
    for each, one in zip(pending, told, strict=True):
        if one is not None and one.provider_id is not None and one.state in FINAL_STATES:
            ends |= {(key, one.provider_id): each.seq for key in each.keys}
    kept = []
    for each, one in zip(pending, told, strict=True):
        if one is not None and one.provider_id is not None:
            provider_id = one.provider_id
            each = replace(each, keys=tuple(key for key in each.keys if ends.get((key, provider_id), 0) <= each.seq))
        kept.append(each)
    return kept


def forget(connection: Connection, published: Sequence[Pending]) -> None:
    """These are on their topics, acknowledged."""
    connection.execute(sa.delete(publication).where(publication.c.seq.in_([each.seq for each in published])))


def new_id() -> str:
    """A random id of a message: 32 hexadecimal digits."""
    return uuid4().hex
