"""Who looked is written behind the page, and waiting for it costs nothing."""
from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
import pytest

from services.board.publishing import NotSavedError, Outgoing, Trail
from tests.processes import until


class Counting(threading.Event):
    """How often the loop has come round."""

    rounds = 0

    def is_set(self) -> bool:
        self.rounds += 1
        return super().is_set()


@dataclass
class LateWord:
    """Takes everything; the word that a look has come arrives only once it has been written."""

    came: threading.Event | None = None
    written: list[Outgoing] = field(default_factory=list)

    def publish(self, records: Sequence[Outgoing]) -> None:
        self.written += records
        if self.came is not None:
            self.came.set()


class Away:
    """Kafka is away."""

    def publish(self, records: Sequence[Outgoing]) -> None:
        raise NotSavedError


def test_a_board_that_stops_while_kafka_is_away_says_how_many_looks_are_lost(
        capfd: pytest.CaptureFixture[str]) -> None:
    trail, stopping = Trail(Away(), lambda: datetime.now(UTC)), threading.Event()
    for _ in range(3):
        trail.looked("lancashire:w", "lancashire:p", "/people/lancashire:p")
    stopping.set()
    trail.run(stopping)
    said = [orjson.loads(line) for line in "".join(capfd.readouterr()).splitlines()]
    assert [(line["event"], line["level"], line["count"]) for line in said] == [("audit_lost", "error", 3)]


def test_a_look_written_before_its_word_came_keeps_nobody_busy() -> None:
    publisher, stopping = LateWord(), Counting()
    trail = Trail(publisher, lambda: datetime.now(UTC))
    publisher.came = trail._came
    thread = threading.Thread(target=trail.run, args=(stopping,))
    thread.start()
    try:
        trail.looked("lancashire:w", None, "/")
        until(lambda: publisher.written)
        before = stopping.rounds
        assert not stopping.wait(0.3)
        assert stopping.rounds - before < 10
    finally:
        stopping.set()
        thread.join(60)
    assert len(publisher.written) == 1
