"""The reader of alerts joins its group again when it was dealt nothing of a topic."""
from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS
from services.notifier import kafka as reading
from services.notifier.kafka import AlertReader
from services.notifier.metrics import Metrics

BOTH = {TopicPartition(ALERTS, 0), TopicPartition(ALERT_ACTIONS, 0)}


class Consumer:
    """A member of a group who was dealt these partitions, and has nothing to read."""

    def __init__(self, dealt: set[TopicPartition], ledger: list[str]) -> None:
        self._dealt, self._ledger = dealt, ledger

    def partitions_for_topic(self, topic: str) -> set[int]:
        self._ledger.append(f"asked for {topic}")
        return {0}

    def subscribe(self, topics: list[str]) -> None:
        self._ledger.append(f"joined for {' and '.join(topics)}")

    def assignment(self) -> set[TopicPartition]:
        return self._dealt

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        return {}

    def position(self, partition: TopicPartition, timeout_ms: int | None = None) -> int:
        return 0

    def highwater(self, partition: TopicPartition) -> int:
        return 0

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def close(self, autocommit: bool) -> None:
        self._ledger.append("left")


JOINS = [f"asked for {ALERTS}", f"asked for {ALERT_ACTIONS}", f"joined for {ALERTS} and {ALERT_ACTIONS}"]


@pytest.mark.parametrize("short", [set(), {TopicPartition(ALERT_ACTIONS, 0)}])
def test_who_was_dealt_nothing_of_a_topic_joins_again(short: set[TopicPartition], monkeypatch: pytest.MonkeyPatch) -> None:
    ledger: list[str] = []
    deals, now = iter([short, BOTH]), [100.0]
    monkeypatch.setattr("keepintouch.runtime.kafka.consumer", lambda *_, **__: Consumer(next(deals), ledger))
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: now[0]))
    unused: Any = None
    reader = AlertReader(KafkaSettings(), unused, unused, unused, unused, unused, Metrics())
    reader.run_once()
    now[0] += 14.9   # a session of ten seconds, and five to join
    reader.run_once()
    assert ledger == JOINS
    now[0] += 0.2
    reader.run_once()
    assert ledger == [*JOINS, "left"]
    reader.run_once()
    now[0] += 3600
    reader.run_once()
    assert ledger == [*JOINS, "left", *JOINS]
    assert isinstance(reader.caught_up, threading.Event)
    assert reader.caught_up.is_set()
