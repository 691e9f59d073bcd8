"""The dead letters' topic, and the way back: which letters were sent again already, and sending them."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from keepintouch.dead_letters import REPLAYED_FROM, Letter, Replay, letter_of
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import (
    KafkaSettings,
    Record,
    check_broker,
    clear_errors,
    consumer,
    partitions_of,
    producer,
    read_to_end,
    up_to,
)
from keepintouch.runtime.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from kafka import TopicPartition

CLOCKS_DIFFER_MS = 600_000
"""Brokers' clocks may differ: what was sent again is looked for from so long before its letter was written."""

_UNDER_WAY = 1_000
"""Records sent and not acknowledged yet, at most: it is known soon if Kafka does not take them."""

Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


def read_letters(settings: KafkaSettings) -> Iterator[Letter | None]:
    """Yield every dead letter there is, each partition's in order; None for a record that is none.

    Raises TopicMissing and BrokerUnreachable.
    """
    return map(letter_of, read_to_end(settings, DEAD_LETTERS))


def letter_at(settings: KafkaSettings, partition: int, offset: int) -> Letter:
    """The dead letter at a position of its topic. Raises UserError if there is none."""
    from kafka import TopicPartition

    none = UserError(f"there is no dead letter at {partition}:{offset}: see keepintouch dead-letters list --positions")
    check_broker(settings)
    with contextlib.closing(consumer(settings, max_poll_records=1)) as client, clear_errors(settings):
        at = TopicPartition(DEAD_LETTERS, partition)
        if at not in partitions_of(client, DEAD_LETTERS):
            raise none
        client.assign([at])
        client.seek(at, offset)
        if not client.beginning_offsets([at])[at] <= offset < client.end_offsets([at])[at]:
            raise none
        for found in up_to(client, settings, {at: offset + 1}):
            letter = letter_of(_record(found)) if found.offset == offset else None
            if letter is not None:
                return letter
    raise none


def replayed(settings: KafkaSettings, topic: str, since_ms: int, progress: Progress) -> set[str]:
    """Positions of the dead letters that were sent again to `topic` since an instant (milliseconds since 1970).

    Each bears its letter's position in a header, so the topic itself is the memory: it can be neither lost nor out of date.
    Reads all of the topic since that instant, some 40,000 records a second.
    """
    check_broker(settings)
    with contextlib.closing(consumer(settings, max_poll_records=2_000, isolation_level="read_uncommitted")) as client, \
            clear_errors(settings):
        partitions = partitions_of(client, topic)
        client.assign(partitions)
        ends: dict[TopicPartition, int] = client.end_offsets(partitions)
        starts = client.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms - CLOCKS_DIFFER_MS)))
        for at in partitions:
            client.seek(at, ends[at] if starts.get(at) is None else starts[at].offset)
        total, found = sum(max(0, ends[at] - client.position(at)) for at in partitions), set[str]()
        for done, record in enumerate(up_to(client, settings, ends), 1):
            found.update(value.decode(errors="replace") for name, value in record.headers if name == REPLAYED_FROM and value)
            if done % 1_000 == 0:
                progress(done, total)
        progress(total, total)
    return found


def send_again(settings: KafkaSettings, replays: Iterable[Replay], sent: Callable[[], None]) -> None:
    """Write records back to their topics; all are acknowledged by all replicas in sync when it returns.

    `sent` is called for each that is. Raises UserError if Kafka does not take one; those before it are sent, and known to be.
    """
    from kafka.errors import KafkaError

    check_broker(settings)
    with contextlib.closing(producer(settings)) as to:
        under_way: list[Any] = []

        def settle() -> None:
            for each in under_way:
                each.get(timeout=60)
                sent()
            under_way.clear()

        try:
            for replay in replays:
                headers = [(name, value) for name, value in replay.headers if value is not None]   # kafka-python writes no other
                under_way.append(to.send(replay.topic, replay.value, replay.key, headers, replay.partition))
                if len(under_way) >= _UNDER_WAY:
                    settle()
            settle()
        except (KafkaError, ValueError) as error:   # the latter for a partition that there is not
            raise UserError(f"Kafka did not take a record ({type(error).__name__}): see that it is up and its topics as declared "
                            "(keepintouch topics check), then run it again; what was sent is not sent twice") from None


def _record(found: Any) -> Record:
    return Record(found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, tuple(found.headers))
