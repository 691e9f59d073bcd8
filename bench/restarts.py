"""Workers end and others go on: a restart, what it takes in memory, and a kill -9 that another worker makes up for."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import people_changelog

from . import machine
from .events import NOW, PARTITIONS
from .kafka import broker, fill
from .known import RECORDS, History, Known, prime
from .rates import Row
from .worker import Worker, Workers, workers


@contextmanager
def known_council(people: int) -> Iterator[tuple[KafkaSettings, Workers, int]]:
    """A Kafka on which so many people are known; and the size of a worker that knew none."""
    known = Known(NOW, people)
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        empty = prime(settings, at, known)
        fill(settings, people_changelog(), known.stored(History(NOW - timedelta(days=3)), people))
        yield settings, at, empty


def restart(people: int) -> Row:
    """From the start of a process to ready with so many people; and what it holds when all of them were looked at."""
    with known_council(people) as (_, at, empty):
        worker = at.start()
        ready = at.wait_ready(worker, every=0.01)
        cpu = machine.cpu_seconds(worker.pid)
        restored = sum(worker.metric("contact_monitor_restore_seconds").values())
        at.wait_idle(worker)
        resident = machine.resident_bytes(worker.pid)
        return {"people": people, "records_each": RECORDS, "seconds": round(ready, 2), "cpu_s": round(cpu, 2),
                "restore_s": round(restored, 2), "resident_mib": round(resident / 2**20), "empty_mib": round(empty / 2**20),
                "bytes_per_person": round((resident - empty) / people), "wrong": _miscounted(worker, people)}


def failover(people: int, session: str | None = None) -> Row:
    """From kill -9 of one of two workers to the other being ready with everyone."""
    more = {} if session is None else {"KAFKA_SESSION_TIMEOUT": session}
    with known_council(people) as (_, at, _empty):
        pair = [at.start(name, more=more) for name in ("one", "other")]
        half = PARTITIONS // 2
        at.wait("an even share", lambda: all(each.state()[0] and _partitions(each) == half for each in pair), every=0.2)
        for worker in pair:
            at.wait_idle(worker)
        at.end("one", at_once=True)
        killed, heir = time.monotonic(), pair[1]
        at.wait("taken over", lambda: heir.state()[0] and _partitions(heir) == PARTITIONS)
        return {"people": people, "session": session or "default", "seconds": round(time.monotonic() - killed, 2),
                "wrong": _miscounted(heir, people)}


def _partitions(worker: Worker) -> int:
    return len(worker.metric("contact_monitor_heartbeat_timestamp_seconds"))


def _miscounted(worker: Worker, people: int) -> list[str]:
    held = round(sum(worker.metric("contact_monitor_people").values()))
    return [] if held == people else [f"{held} people held, not {people}"]
