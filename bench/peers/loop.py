"""The monitor's job as a loop written by hand: what `keepintouch.standards` alone allows, with the quickest client there is.

One thread reads, folds, evaluates and writes: alerts acknowledged, then states, then offsets committed. It keeps everyone decoded
in memory, owns all partitions for good, and leaves out what a service needs: no restore, no other workers, no due days, no fence
against a second one, no dead letters, no metrics.
"""
from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from bench.events import NOW, PARTITIONS, partition_of
from bench.reckoning import Reckoning
from keepintouch.acceptance import FUTURE_ALLOWANCE
from keepintouch.runtime.topics import ALERTS, DEFAULT_APP_ID, EVENTS, people_changelog
from keepintouch.standards import ordinary
from keepintouch.standards.instants import microseconds
from keepintouch.standards.ledger import Publication

_AT_ONCE = 50_000
"""Events between writes where they come faster than they are dealt with: about as many as the monitor lets come together."""
_PACE_WHEN_BEHIND = 2.0
"""Seconds between writes until it has caught up, as the monitor has it."""
_LATEST = microseconds(NOW + FUTURE_ALLOWANCE)


class Loop:
    """Everything there is to it."""

    def __init__(self, servers: str) -> None:
        self._reckoning = Reckoning()
        self._consumer = Consumer({
            "bootstrap.servers": servers, "group.id": DEFAULT_APP_ID, "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "queued.max.messages.kbytes": 65_536, "max.poll.interval.ms": 3_600_000})
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
                                   "batch.size": 900_000, "queue.buffering.max.messages": 1_000_000,
                                   "queue.buffering.max.kbytes": 1_048_576})
        self._positions: dict[int, int] = {}
        self._touched: dict[bytes, None] = {}

    def run(self) -> None:
        """Catch up, evaluate everyone, then stay abreast until killed."""
        self._consumer.subscribe([EVENTS])
        ends = {p: self._consumer.get_watermark_offsets(TopicPartition(EVENTS, p), timeout=10)[1] for p in range(PARTITIONS)}
        self._consumer.poll(0)
        while len(self._consumer.assignment()) < PARTITIONS:
            self._fold(self._consumer.consume(1, 0.05))
        print("begun", flush=True)
        written = time.monotonic()
        while any(self._positions.get(partition, 0) < end for partition, end in ends.items()):
            self._fold(self._consumer.consume(_AT_ONCE, 0.05))
            if time.monotonic() - written > _PACE_WHEN_BEHIND:
                self._write([])
                written = time.monotonic()
        gc.collect()
        gc.freeze()
        self._evaluate_and_write(list(self._reckoning.people))
        print("live", flush=True)
        while True:
            self._fold(self._consumer.consume(_AT_ONCE, 0.05))
            if self._touched:
                self._evaluate_and_write(list(self._touched))

    def _fold(self, messages: Iterable[Message]) -> None:
        fold, touched = self._fold_event, self._touched
        for message in messages:
            key, value, partition, offset = message.key(), message.value(), message.partition(), message.offset()
            if key is None or value is None or partition is None or offset is None:
                raise RuntimeError(str(message.error()))
            if fold(key, value):
                touched[key] = None
            self._positions[partition] = offset + 1

    def _fold_event(self, key: bytes, value: bytes) -> bool:
        """Read ordinary records in the quick way, as the monitor does."""
        person = self._reckoning.people.get(key)
        if person is not None and (found := ordinary.read(value, key, _LATEST)) is not None:
            self._reckoning.accepted += 1
            return person.take(found[0])
        return self._reckoning.fold(key, value, NOW)

    def _evaluate_and_write(self, keys: list[bytes]) -> None:
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at:at + _AT_ONCE]
            self._touched |= dict.fromkeys(some)
            self._write([each for key in some for each in self._reckoning.evaluate(key, NOW)])

    def _write(self, publications: list[Publication]) -> None:
        for publication in publications:
            self._producer.produce(ALERTS, key=str(publication.alert_id).encode(), value=publication.value)
        self._acknowledged()
        for key in self._touched:
            self._producer.produce(people_changelog(), key=key, value=self._reckoning.stored(key), partition=partition_of(key))
        self._acknowledged()
        self._touched.clear()
        self._consumer.commit(offsets=[TopicPartition(EVENTS, *each) for each in self._positions.items()], asynchronous=False)
        print(f"folded {self._reckoning.accepted}", flush=True)

    def _acknowledged(self) -> None:
        if self._producer.flush(60):
            raise RuntimeError("not acknowledged within a minute")


if __name__ == "__main__":
    Loop(os.environ["KAFKA_BOOTSTRAP_SERVERS"]).run()
