"""What is on the topics, whole and in order: all that a verdict is given."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, Record, admin, consumer, read_to_end
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, people_changelog

_PATIENCE, _LOOK = 120.0, 0.1


@dataclass(frozen=True, slots=True)
class Topics:
    """Every committed record of each topic, each partition's in the order of offsets."""

    events: Sequence[Record] = ()
    alerts: Sequence[Record] = ()
    changelog: Sequence[Record] = ()
    dead_letters: Sequence[Record] = ()
    committed: Mapping[int, int] | None = None
    """By the group, for each partition of the events; None: not looked at."""


class Watch:
    """Looks at the topics of an app from outside: by the straight way, and as no member of its group.

    A broker that went away and came back is asked by new clients, for as long as a start takes.
    """

    def __init__(self, kafka: KafkaSettings, app_id: str) -> None:
        self.kafka, self.app_id, self.changelog = kafka, app_id, people_changelog(app_id)
        self._clients: tuple[Any, Any] | None = None

    def close(self) -> None:
        """Disconnect."""
        clients, self._clients = self._clients, None
        for client in clients or ():
            client.close()

    def committed(self) -> dict[int, int]:
        """How far the group has read each partition of the events."""
        found = self._ask(lambda _, admin: admin.list_group_offsets(self.app_id)[self.app_id])
        return {tp.partition: max(0, at.offset) for tp, at in found.items()}

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last of each partition of events, alerts and changelog."""
        found = self._ask(lambda consumer, _: consumer.end_offsets([
            TopicPartition(topic, number) for topic in (EVENTS, ALERTS, self.changelog)
            for number in _partitions(consumer, topic)]))
        return {(tp.topic, tp.partition): end for tp, end in found.items()}

    def written(self) -> int:
        """A number that goes up when a worker writes anything that holds, or does not."""
        return sum(end for (topic, _), end in self.ends().items() if topic != EVENTS)

    def behind(self) -> int:
        """How many events there are that the group has not read."""
        read = self.committed()
        return sum(end - read.get(partition, 0) for (topic, partition), end in self.ends().items() if topic == EVENTS)

    def read(self) -> Topics:
        """Everything there is now."""
        found: dict[str, list[Record]] = {name: [] for name in (EVENTS, ALERTS, self.changelog, DEAD_LETTERS)}
        for record in read_to_end(self.kafka, *found):
            found[record.topic].append(record)
        return Topics(found[EVENTS], found[ALERTS], found[self.changelog], found[DEAD_LETTERS], self.committed())

    def _ask(self, question: Callable[[Any, Any], Any]) -> Any:
        """Ask a consumer or an admin client."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if self._clients is None:
                    self._clients = consumer(self.kafka), admin(self.kafka)
                return question(*self._clients)
            except (KafkaError, BrokerUnreachable):
                if time.monotonic() > deadline:
                    raise
                self.close()
                time.sleep(_LOOK)


def _partitions(client: Any, topic: str) -> set[int]:
    found: set[int] | None = client.partitions_for_topic(topic)
    if not found:
        raise UnknownTopicOrPartitionError(topic)
    return found
