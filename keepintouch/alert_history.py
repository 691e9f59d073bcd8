"""What the topics say of alerts: how each stands, what was done about it, and what became of every message. Works anywhere:
it needs Kafka and nothing of any service.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, Record, read_to_end
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, NOTIFICATIONS, STAFF
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.common import Message
from schemas.notifications import Notification
from schemas.staff import Staff

M = TypeVar("M", bound=Message)

STORM = "storm"
"""Reason of what waits for somebody to release it."""

_IN_WORDS = {
    "outside_hours": "outside working hours", "not_working": "until their next working day",
    "nobody": "nobody can be reached", "trial": "trial mode: it is not sent later", "backfill": "for a manager's summary",
    "storm": "too much at once: it waits to be released", "hourly_cap": "they have had very many messages this hour",
    "ended": "the alert has ended", "on_hold": "somebody is on it",
    "already_told": "they had been told", "same_recipient": "one message for both",
    "with_later_step": "one message for both", "lease_expired": "its worker went away",
    "critical_instead": "the critical step stands in its place", "manager_first": "a manager hears first"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing in the life of an alert, in plain words."""

    at: datetime
    what: str
    who: str = ""
    how: str = ""


@dataclass(slots=True)
class AlertHistory:
    """Everything read so far. Records that cannot be read are counted, and left to the dead letters."""

    alerts: dict[UUID, Alert] = field(default_factory=dict)
    actions: dict[UUID, list[AlertAction]] = field(default_factory=lambda: defaultdict(list))
    told: dict[UUID, list[Notification]] = field(default_factory=lambda: defaultdict(list))
    staff: dict[str, Staff] = field(default_factory=dict)
    unread: int = 0

    def take(self, record: Record) -> None:
        """Take over one record, by the rules for reading its topic."""
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._forget(record.topic, key)
        elif record.topic == ALERTS:
            alert = self._read(Alert, record.value)
            if alert is not None and (alert.alert_id not in self.alerts
                                      or alert.sequence >= self.alerts[alert.alert_id].sequence):
                self.alerts[alert.alert_id] = alert
        elif record.topic == ALERT_ACTIONS:
            action = self._read(AlertAction, record.value)
            if action is not None and action.action_id not in {each.action_id for each in self.actions[action.alert_id]}:
                self.actions[action.alert_id].append(action)
        elif record.topic == NOTIFICATIONS:
            self._take_notification(key, record.value)
        elif (member := self._read(Staff, record.value)) is not None:
            self.staff[member.worker_ref] = member

    def find(self, text: str) -> Alert:
        """The alert of an id, or of the beginning of one that only it has. Raises UserError."""
        found = [alert for key, alert in self.alerts.items() if str(key).startswith(text.lower())]
        if len(found) != 1 or len(text) < 4:
            raise UserError("there is no such alert: keepintouch alerts list --all has their ids" if not found else
                            f"{len(found)} alerts begin with that: give more of the id")
        return found[0]

    def held(self) -> Iterator[tuple[Alert, Notification]]:
        """Open alerts with what is held of them now: the last that was said of a step is that it is held."""
        for alert in self.alerts.values():
            if alert.status == "open":
                last = {each.step: each for each in self.told.get(alert.alert_id, ())}
                yield from ((alert, each) for each in last.values() if each.state == "held")

    def story(self, alert: Alert) -> list[Happening]:
        """The whole story of an alert, the oldest first."""
        found = [Happening(alert.detected_at, f"opened: {alert.rule}", alert.adviser_ref or "nobody",
                           f"{alert.severity}, {alert.mode}, due {alert.due_on}")]
        found += [_of_action(each) for each in self.actions.get(alert.alert_id, ())]
        # The service publishes in order; a record may have been published twice.
        told = self.told.get(alert.alert_id, ())
        found += [_of_notification(each) for each, before in zip(told, (None, *told), strict=False) if each != before]
        if alert.ended_at is not None:
            found.append(Happening(alert.ended_at, f"ended: {alert.status}", "", alert.end_reason or ""))
        return sorted(found, key=lambda each: each.at)

    def _take_notification(self, key: str, value: bytes) -> None:
        told = self._read(Notification, value)
        if told is not None:
            try:
                self.told[UUID(key)].append(told)
            except ValueError:
                self.unread += 1

    def _forget(self, topic: str, key: str) -> None:
        if topic == STAFF:
            self.staff.pop(key, None)
            return
        try:
            alert_id = UUID(key)
        except ValueError:
            self.unread += 1
            return
        if topic == ALERTS:
            self.alerts.pop(alert_id, None)

    def _read(self, kind: type[M], value: bytes) -> M | None:
        try:
            return kind.model_validate_json(value)
        except ValidationError:
            self.unread += 1
            return None


def read_history(settings: KafkaSettings, *topics: str, only: Callable[[Record], bool] = lambda _: True) -> AlertHistory:
    """Read topics to their ends. Raises BrokerUnreachable, TopicMissing."""
    history = AlertHistory()
    for record in read_to_end(settings, *topics):
        if only(record):
            history.take(record)
    return history


def by_reason(held: Iterable[tuple[Alert, Notification]]) -> Mapping[tuple[str, str, str], tuple[int, datetime]]:
    """How many alerts of each council are held at which step and why, and since when the oldest."""
    ids: dict[tuple[str, str, str], set[UUID]] = defaultdict(set)
    since: dict[tuple[str, str, str], datetime] = {}
    for alert, told in held:
        key = alert.council, told.reason or "", told.step
        ids[key].add(alert.alert_id)
        since[key] = min(told.at, since.get(key, told.at))
    return {key: (len(ids[key]), since[key]) for key in sorted(ids)}


def in_words(reason: str | None) -> str:
    """A reason as people say it."""
    return "" if reason is None else _IN_WORDS.get(reason, reason.replace("_", " "))


def _of_action(action: AlertAction) -> Happening:
    until = f" until {action.until}" if action.until is not None else ""
    note = f", {action.note_code}" if action.note_code is not None else ""
    return Happening(action.at, f"{action.action.replace('_', ' ')}{until}", action.actor_ref, f"by {action.via}{note}")


def _of_notification(told: Notification) -> Happening:
    step = f"step {told.step}" if told.step.isdigit() else told.step.replace("_", " ")
    how = ", ".join(filter(None, (
        told.channel and f"{told.channel} by {told.provider}" if told.provider else told.channel,
        told.ref and f"Ref {told.ref}", in_words(told.reason), "perhaps twice" if told.possible_duplicate else "")))
    return Happening(told.at, f"{step}: {told.state}", told.recipient_ref or "", how)
