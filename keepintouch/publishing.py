"""Writes events and staff into Kafka as their topics want them: keyed, acknowledged by all replicas, manifests everywhere."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, TopicMissing, admin, check_broker, producer
from keepintouch.runtime.topics import EVENTS, STAFF
from schemas.events import CloudEvent, Feed
from schemas.staff import Staff

if TYPE_CHECKING:
    from kafka import KafkaProducer


def to_json(message: CloudEvent | Staff) -> bytes:
    """A message as it goes over the wire; what is null is left out."""
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


class Sender:
    """Writes events and staff as their topics want them. Not by itself: see `sending`."""

    def __init__(self, client: KafkaProducer) -> None:
        self.sent = 0
        self._client = client
        self._failed: list[Exception] = []

    def event(self, event: CloudEvent) -> None:
        """Write an event under its person; a manifest to every partition, once everything before it is acknowledged."""
        value, key = to_json(event), event.subject.encode()
        if not isinstance(event.data, Feed):
            self._send(EVENTS, key, value)
            return
        self.flush()
        for partition in sorted(self._client.partitions_for(EVENTS)):
            self._send(EVENTS, key, value, partition)

    def staff(self, member: Staff) -> None:
        """Write a member of staff."""
        self._send(STAFF, member.worker_ref.encode(), to_json(member))

    def flush(self) -> None:
        """Return once everything is acknowledged; UserError if anything was not."""
        self._client.flush()
        if self._failed:
            raise UserError(f"Kafka did not take {len(self._failed)} records ({type(self._failed[0]).__name__}): see that the "
                            "topics exist (keepintouch topics check) and the brokers are up, then run it again")

    def _send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        from kafka.errors import KafkaError

        try:
            self._client.send(topic, value, key, partition=partition).add_errback(self._failed.append)
        except KafkaError as error:
            self._failed.append(error)
            self.flush()
        self.sent += 1


@contextlib.contextmanager
def sending(settings: KafkaSettings) -> Iterator[Sender]:
    """A sender whose records are all acknowledged, once each, when the block ends. Raises UserError where they cannot be."""
    check_broker(settings)
    with contextlib.closing(admin(settings)) as client:
        missing = sorted({EVENTS, STAFF}.difference(client.list_topics()))
    if missing:
        raise TopicMissing(f"Kafka has no topic {missing[0]}: create the topics first (keepintouch topics create)")
    with contextlib.closing(producer(settings)) as writer:
        sender = Sender(writer)
        yield sender
        sender.flush()
