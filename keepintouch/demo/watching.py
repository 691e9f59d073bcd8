"""What comes out of the services while the story runs: alerts as they are published, texts as they are sent."""
from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

import orjson

from keepintouch.runtime.kafka import KafkaSettings, consumer
from keepintouch.runtime.topics import ALERTS
from schemas.alerts import Alert


@dataclass(frozen=True, slots=True)
class Published:
    """An alert's record, and the real instant at which it was handed to Kafka, in milliseconds."""

    alert: Alert
    written_ms: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A text, at an instant of the story."""

    at: datetime
    recipient_ref: str
    text: str


class AlertWatch:
    """Reads care.alerts.v1 from its end at the start of the watch, in a thread of its own."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._found: SimpleQueue[Published] = SimpleQueue()
        self._stopping, self._watching = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="alert-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._watching.wait(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()

    def new(self) -> Iterator[Published]:
        """What has come since the last call."""
        while True:
            try:
                yield self._found.get_nowait()
            except Empty:
                return

    def _read(self) -> None:
        from kafka import TopicPartition

        client = consumer(self._settings)
        try:
            partitions = [TopicPartition(ALERTS, p) for p in client.partitions_for_topic(ALERTS) or ()]
            client.assign(partitions)
            client.seek_to_end(*partitions)
            for partition in partitions:
                client.position(partition)
            self._watching.set()
            while not self._stopping.is_set():
                for records in client.poll(timeout_ms=50).values():
                    for record in records:
                        if record.value is not None:
                            self._found.put(Published(Alert.model_validate_json(record.value), record.timestamp))
        finally:
            client.close()


class TextWatch:
    """Follows the file in which the console channel puts its texts."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new(self) -> Iterator[Sent]:
        """What has come since the last call; a line that is not complete yet waits for the next."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                text = orjson.loads(line)
                yield Sent(datetime.fromisoformat(text["at"]), text["recipient_ref"], text["text"])
