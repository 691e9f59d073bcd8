"""What the journeys share."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import Topic
from tests.journeys.town import Town, town


@pytest.fixture
def lancashire(kafka: KafkaSettings, topics: tuple[Topic, ...], tmp_path: Path) -> Iterator[Town]:
    """A small council on an empty Kafka; nothing runs yet."""
    with town(kafka, tmp_path) as made:
        yield made
