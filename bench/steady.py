"""Events at a steady rate, from a thread: ordinary load while something else is measured."""
from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import EVENTS

from .events import PARTITIONS, KeyValue, partition_of

_TICK = 0.001


class Steady:
    """Sends events one by one, each when its time has come; a context manager, at whose end all are acknowledged."""

    def __init__(self, settings: KafkaSettings, events: Iterator[KeyValue], per_second: float,
                 topic: str = EVENTS, partitions: int = PARTITIONS) -> None:
        self.sent = 0
        self.failed = 0
        self._events, self._per_second, self._stopping = events, per_second, threading.Event()
        self._topic, self._partitions = topic, partitions
        self._producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "enable.idempotence": True,
                                   "log_level": 0, "linger.ms": 5,  # cheap for the broker, whose core it shares
                                   "on_delivery": self._delivered})
        self._thread = threading.Thread(target=self._run, name="steady", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; returns when all that was sent is acknowledged."""
        self._stopping.set()
        self._thread.join()
        self.failed += self._producer.flush(30)

    @property
    def over(self) -> bool:
        """Whether there was no further event to send."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopping.is_set():
            due = int((time.monotonic() - began) * self._per_second)
            while self.sent < due:
                event = next(self._events, None)
                if event is None:
                    return
                self._send(event)
                self.sent += 1
            self._producer.poll(_TICK)

    def _send(self, event: KeyValue) -> None:
        while True:
            try:
                self._producer.produce(self._topic, key=event[0], value=event[1],
                                       partition=partition_of(event[0], self._partitions))
            except BufferError:   # the broker takes no more for now: what is due comes later then, and counts as late
                self._producer.poll(_TICK)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self.failed += error is not None
