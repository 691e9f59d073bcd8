"""Forgetting a person: the event that asks for it, and what must be seen on the monitor's topics until it is done."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from keepintouch.publishing import to_json
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker, clear_errors, consumer, partitions_of, producer, up_to
from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog
from keepintouch.standards import stored
from keepintouch.standards.instants import microseconds
from schemas.events import CloudEvent, PersonErased, envelope

SOURCE = "urn:keep-in-touch:cli"
"""Sender of the erasures made here."""

_ERASURES = uuid5(NAMESPACE_URL, "urn:keep-in-touch:erasure")


def erasure(ref: str, recorded_at: datetime) -> CloudEvent:
    """The event that asks to forget a person. The same person and instant give the same event, so repeating does no harm."""
    at = recorded_at.astimezone(UTC)
    event_id = str(uuid5(_ERASURES, f"{ref}|{at.isoformat()}"))
    return envelope(PersonErased(person_ref=ref, recorded_at=at), id=event_id, source=SOURCE)


class Memory(Enum):
    """What the monitor remembers of a person."""

    NOT_ERASED = "the erasure has not been carried out"
    SPOKEN_OF_SINCE = "it has, but there are statements recorded after it"
    FORGOTTEN = "nothing but the ref and the instant"


@dataclass(slots=True)
class Traces:
    """What is left of a person on the monitor's topics, as their records are read in order. Pure."""

    ref: str
    erased_at: datetime
    memory: Memory = Memory.NOT_ERASED
    standing: set[bytes] = field(default_factory=set)
    """Keys of alerts about the person that have no tombstone."""
    gone: set[bytes] = field(default_factory=set)
    """Keys of those that have one."""

    @property
    def done(self) -> bool:
        """Whether nothing is left, tombstones apart."""
        return self.memory is Memory.FORGOTTEN and not self.standing

    @property
    def settled(self) -> bool:
        """Whether waiting changes nothing any more."""
        return self.done or self.memory is Memory.SPOKEN_OF_SINCE

    def alert(self, key: bytes, value: bytes | None) -> None:
        """Take one record of the alerts."""
        if value is None:
            if key in self.standing:
                self.standing.remove(key)
                self.gone.add(key)
        elif self.ref.encode() in value and orjson.loads(value).get("person_ref") == self.ref:
            self.standing.add(key)
            self.gone.discard(key)

    def state(self, key: bytes, value: bytes | None) -> None:
        """Take one record of the monitor's state; StoredFormError if it is of a version that is not known."""
        if key != self.ref.encode():
            return
        person = None if value is None else stored.load(value)
        if person is None or person.erased_at is None or person.erased_at < microseconds(self.erased_at):
            self.memory = Memory.NOT_ERASED
        elif person.facts is None and not person.registers and person.ledger is None:
            self.memory = Memory.FORGOTTEN
        else:
            self.memory = Memory.SPOKEN_OF_SINCE


def need_topics(settings: KafkaSettings, *topics: str) -> None:
    """Return if Kafka is there and has these topics; raise UserError otherwise."""
    check_broker(settings)
    with contextlib.closing(consumer(settings)) as client, clear_errors(settings):
        for topic in topics:
            partitions_of(client, topic)


def publish(settings: KafkaSettings, event: CloudEvent) -> int:
    """Write an event under its person and return its partition, once all replicas in sync have acknowledged it.

    Raises UserError if they do not.
    """
    from kafka.errors import KafkaError

    with contextlib.closing(producer(settings)) as to:
        try:
            return int(to.send(EVENTS, to_json(event), event.subject.encode()).get(timeout=60).partition)
        except KafkaError as error:
            raise UserError(f"Kafka did not take the erasure ({type(error).__name__}): see that the brokers are up, then run it "
                            "again") from None


def watch(settings: KafkaSettings, app_id: str, traces: Traces, partition: int, within: float, tell: Callable[[], None]) -> bool:
    """Follow the monitor's topics until it is settled what is left of a person; False if it is not in so many seconds.

    `partition` is that of the person's events, and so of their state. The seconds count from when everything has been read
    that there was at the call. `tell` is called whenever the traces have been looked at. Raises UserError.
    """
    from kafka import TopicPartition

    changelog = people_changelog(app_id)
    with contextlib.closing(consumer(settings, max_poll_records=2_000, fetch_max_wait_ms=100)) as client, clear_errors(settings):
        state = TopicPartition(changelog, partition)
        if state not in partitions_of(client, changelog):
            raise UserError(f"{changelog} has no partition {partition}, which {EVENTS} has: see keepintouch topics check")
        wanted = [*partitions_of(client, ALERTS), state]
        client.assign(wanted)
        client.seek_to_beginning(*wanted)
        for record in up_to(client, settings, client.end_offsets(wanted)):
            _take(traces, record)
        tell()
        deadline = time.monotonic() + within
        while not traces.settled:
            if time.monotonic() > deadline:
                return False
            for batch in client.poll(timeout_ms=100).values():
                for record in batch:
                    _take(traces, record)
            tell()
        return True


def _take(traces: Traces, record: Any) -> None:
    try:
        (traces.alert if record.topic == ALERTS else traces.state)(record.key, record.value)
    except stored.StoredFormError:
        raise UserError("the monitor's state is of another version than this command knows: use the monitor's version") from None
