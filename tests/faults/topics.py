"""What is on the topics, whole and in order: all that a verdict is given."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafka import TopicPartition

from keepintouch.runtime.kafka import KafkaSettings, Record, admin, consumer, read_to_end
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, EVENTS, people_changelog


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
    """Looks at the topics of an app from outside: by the straight way, and as no member of its group."""

    def __init__(self, kafka: KafkaSettings, app_id: str) -> None:
        self.kafka, self.app_id, self.changelog = kafka, app_id, people_changelog(app_id)
        self._consumer, self._admin = consumer(kafka), admin(kafka)
        self._partitions = [TopicPartition(topic, number) for topic in (EVENTS, ALERTS, self.changelog)
                            for number in self._consumer.partitions_for_topic(topic)]

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
        self._admin.close()

    def committed(self) -> dict[int, int]:
        """How far the group has read each partition of the events."""
        return {tp.partition: max(0, at.offset) for tp, at in self._admin.list_group_offsets(self.app_id)[self.app_id].items()}

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last of each partition of events, alerts and changelog."""
        return {(tp.topic, tp.partition): end for tp, end in self._consumer.end_offsets(self._partitions).items()}

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
