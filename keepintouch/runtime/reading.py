"""Reading topics by hand, with a kafka-python consumer that belongs to no group."""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, TopicMissing

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition


def partitions_of(client: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, in order. Raises TopicMissing."""
    from kafka import TopicPartition

    found = client.partitions_for_topic(topic)
    if not found:
        raise TopicMissing(f"Kafka has no topic {topic}: create the topics first (keepintouch topics create)")
    return [TopicPartition(topic, number) for number in sorted(found)]


def up_to(client: KafkaConsumer, settings: KafkaSettings, ends: Mapping[TopicPartition, int],
          timeout: float = 30.0) -> Iterator[Any]:
    """Yield every record from where the client stands to the ends, in the order of each partition.

    Raises BrokerUnreachable when nothing has come for `timeout` seconds.
    """
    last, left = time.monotonic(), dict(ends)
    while left := {at: end for at, end in left.items() if client.position(at) < end}:
        batches = client.poll(timeout_ms=200)
        for at, batch in batches.items():
            yield from (record for record in batch if record.offset < left.get(at, 0))
        if batches:
            last = time.monotonic()
        elif time.monotonic() - last > timeout:
            raise BrokerUnreachable(f"Kafka at {settings.bootstrap_servers} went away: see that it is up, then run it again")
