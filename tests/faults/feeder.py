"""Several producers that write events while the faults happen, each at its own steady pace."""
from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any, Self

from keepintouch.runtime.kafka import KafkaSettings, producer
from keepintouch.runtime.topics import EVENTS

from .generator import Sent

_LOOK = 0.05
_PATIENCE_MS = 120_000


class Feeder:
    """Use as a context manager. What it is given it deals to its producers in turn; it never waits for Kafka itself.

    What a producer could not get acknowledged is counted and forgotten: the true input is what is on the topic.
    """

    def __init__(self, kafka: KafkaSettings, producers: int = 3) -> None:
        self.kafka = kafka
        self._queues = [SimpleQueue[tuple[float, Sent] | None]() for _ in range(producers)]
        self._threads = [threading.Thread(target=self._feed, args=(queue,), daemon=True) for queue in self._queues]
        self._counting = threading.Lock()
        self._given = self.acknowledged = self.unacknowledged = 0
        self._hurry = threading.Event()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._hurry.set()
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        """Whether everything given so far is acknowledged, or given up."""
        with self._counting:
            return self.acknowledged + self.unacknowledged == self._given

    def send(self, records: Sequence[Sent], within: float = 0.0) -> None:
        """Write these, evenly spread over so many seconds from now (0: as fast as it goes); returns at once."""
        now = time.monotonic()
        with self._counting:
            self._given += len(records)
        for number, record in enumerate(records):
            self._queues[number % len(self._queues)].put((now + within * number / len(records), record))

    def _feed(self, queue: SimpleQueue[tuple[float, Sent] | None]) -> None:
        to = self._producer()
        while True:
            try:
                given = queue.get(timeout=_LOOK)
            except Empty:
                continue
            if given is None:
                break
            due, record = given
            self._hurry.wait(max(0.0, due - time.monotonic()))
            try:
                sent = to.send(EVENTS, key=record.key, value=record.value, partition=record.partition)
                sent.add_both(self._count)
            except Exception:   # of whatever kind: this producer is of no more use, and the topic says what was written
                self._count(None)
                to.close(timeout=1)
                to = self._producer()
        to.close(timeout=_PATIENCE_MS / 1000)

    def _producer(self) -> Any:
        return producer(self.kafka, delivery_timeout_ms=_PATIENCE_MS, request_timeout_ms=5_000, max_block_ms=_PATIENCE_MS,
                        reconnect_backoff_max_ms=500, retry_backoff_ms=100)

    def _count(self, written: Any) -> None:
        with self._counting:
            if hasattr(written, "offset"):
                self.acknowledged += 1
            else:
                self.unacknowledged += 1
