"""Writes events and staff into Kafka as their topics want them: keyed, acknowledged by all replicas, manifests everywhere."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing, admin, check_broker, clear_errors
from keepintouch.runtime.topics import ALERT_ACTIONS, EVENTS, STAFF
from schemas.actions import AlertAction
from schemas.common import Message
from schemas.events import CloudEvent, Feed
from schemas.staff import Staff

if TYPE_CHECKING:
    from keepintouch.runtime.batches import Batches

_AT_ONCE = 5_000
"""Records that wait for one another at most."""


class NotTaken(UserError):  # noqa: N818 -- it says what became of the records
    """Kafka did not acknowledge what was written. Nothing more is written by the same sender."""


def to_json(message: CloudEvent | Staff | AlertAction) -> bytes:
    """A message as it goes over the wire; what is null is left out."""
    if isinstance(message, CloudEvent):   # of which there are many: as pydantic writes it, in a quarter of the time
        return orjson.dumps(message, _said, orjson.OPT_UTC_Z)
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


def _said(model: Message) -> dict[str, Any]:
    return {name: value for name, value in vars(model).items() if value is not None}


class Sender:
    """Writes events and staff as their topics want them, many at a time. Not by itself: see `sending`."""

    def __init__(self, batches: Batches) -> None:
        self.sent = 0
        self._batches = batches
        self._failed: list[Exception] = []

    def event(self, event: CloudEvent) -> None:
        """Write an event under its person; a manifest to every partition, once everything before it is acknowledged."""
        value, key = to_json(event), event.subject.encode()
        if not isinstance(event.data, Feed):
            self._send(EVENTS, key, value)
            return
        self.flush()
        for partition in self._batches.partitions(EVENTS):
            self._send(EVENTS, key, value, partition)

    def staff(self, member: Staff) -> None:
        """Write a member of staff."""
        self._send(STAFF, member.worker_ref.encode(), to_json(member))

    def action(self, action: AlertAction) -> None:
        """Write what somebody did about an alert, at once."""
        self._send(ALERT_ACTIONS, str(action.alert_id).encode(), to_json(action))
        self.flush()

    def flush(self) -> None:
        """Return once everything is acknowledged; NotTaken if anything was not."""
        self._failed += self._batches.flush()
        if self._failed:
            raise NotTaken(f"Kafka did not take {len(self._failed)} records ({type(self._failed[0]).__name__}): see that the "
                           "topics exist (keepintouch topics check), that we may write to them (keepintouch access check) and "
                           "that the brokers are up, then run it again")

    def _send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        self._batches.add(topic, key, value, partition)
        self.sent += 1
        if self._batches.waiting >= _AT_ONCE:
            self.flush()


@contextlib.contextmanager
def sending(settings: KafkaSettings) -> Iterator[Sender]:
    """A sender whose records are all acknowledged, once each, when the block ends. Raises UserError where they cannot be."""
    check_broker(settings)
    with contextlib.closing(admin(settings)) as client, clear_errors(settings):
        missing = sorted({EVENTS, STAFF}.difference(client.list_topics()))
    if missing:
        raise TopicMissing(missing[0])
    from keepintouch.runtime.batches import Batches

    with contextlib.closing(Batches(settings)) as batches:
        for topic in (EVENTS, STAFF):
            batches.partitions(topic)   # so that they are known when the broker is away
        sender = Sender(batches)
        yield sender
        sender.flush()
