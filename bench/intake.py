"""How much the gateway takes: batches as fast as they are answered, and single events at a steady rate."""
from __future__ import annotations

import contextlib
import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.ports import free_port
from services.intake.database import open_database
from services.intake.keys import make_key

from .delays import spread
from .events import COUNCIL, SOURCE, Shape, halves
from .kafka import broker
from .machine import LAST, Usage
from .rates import Row
from .setting import write_councils
from .worker import Worker, Workers, WrongRun, workers

_BATCH = 500
_AT_ONCE = 3
"""Batches under way: while one is written the next is read, and one is on its way."""
_CONNECTIONS = 16
_BATCHES, _SINGLE = "application/cloudevents-batch+json", "application/cloudevents+json"


def intake(batches: int, per_second: int, seconds: int) -> Row:
    """Batches of 500, of which the first tenth does not count; then single events, each timed from when it was due."""
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        gateway, key = _start(settings, Path(folder), at)
        values = _values(batches * _BATCH + per_second * seconds)
        bodies = [b"[" + b",".join(islice(values, _BATCH)) + b"]" for _ in range(batches)]
        warm = max(1, batches // 10)
        _post_all(gateway.port, key, bodies[:warm])
        usage, started = Usage(gateway.pid, LAST), time.monotonic()
        _post_all(gateway.port, key, bodies[warm:])
        took, (cpu, others) = time.monotonic() - started, usage.so_far()
        events = (batches - warm) * _BATCH
        usage = Usage(gateway.pid, LAST)
        delays = _post_steadily(gateway.port, key, list(values), per_second)
        single_cpu_ms = 1000 * usage.so_far()[0] / len(delays)
        return {"events": events, "per_s": round(events / took), "per_cpu_s": round(events / cpu), "others_s": round(others, 1),
                "singles": len(delays), "singles_per_s": per_second, "single_cpu_ms": round(single_cpu_ms, 2),
                **spread("single", [1000 * each for each in delays]), "wrong": []}


def _start(settings: KafkaSettings, folder: Path, at: Workers) -> tuple[Worker, str]:
    councils, _ = write_councils(folder)
    port, url = free_port(), f"sqlite:///{folder}/intake.db"
    with contextlib.closing(open_database(url)) as database, database.write() as connection:
        _, key = make_key(connection, COUNCIL, [SOURCE], datetime.now(UTC))
    started = time.time()
    pid = at.run("intake", [sys.executable, "-m", "services.intake"], {
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers, "COUNCILS_FILE": str(councils), "INTAKE_DATABASE_URL": url,
        "INTAKE_HTTP_PORT": str(port), "INTAKE_EVENTS_PER_MINUTE": "100000000"})
    gateway = Worker("intake", pid, port, started)
    at.wait_ready(gateway)
    return gateway, key


def _values(count: int) -> Iterator[bytes]:
    history, _ = halves(Shape(2 * count, max(1_000, count // 50)))
    return (value for _, (_, value) in islice(history.all(), count))


class _Line:
    """One connection that is kept."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._key = key

    def post(self, body: bytes, kind: str) -> None:
        """Post a body; WrongRun unless all of it was accepted."""
        self._connection.request("POST", "/v1/events", body, {"Authorization": f"Bearer {self._key}", "Content-Type": kind})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 202:
            raise WrongRun(f"answered {answer.status}: {json.loads(said).get('reason', 'some were refused')}")


def _post_all(port: int, key: str, bodies: Sequence[bytes]) -> None:
    waiting, failed = SimpleQueue[bytes](), list[Exception]()
    for body in bodies:
        waiting.put(body)

    def run() -> None:
        line = _Line(port, key)
        try:
            while not failed:
                line.post(waiting.get_nowait(), _BATCHES)
        except Empty:
            return
        except Exception as error:
            failed.append(error)

    _run_all([threading.Thread(target=run) for _ in range(_AT_ONCE)], failed)


def _post_steadily(port: int, key: str, values: Sequence[bytes], per_second: int) -> list[float]:
    """Seconds from when each was due to its answer, so that one that had to wait for its turn counts as slow."""
    begin, delays, failed = time.monotonic() + 0.5, [0.0] * len(values), list[Exception]()
    numbers = iter(range(len(values)))
    turn = threading.Lock()

    def run() -> None:
        line = _Line(port, key)
        try:
            while not failed:
                with turn:
                    number = next(numbers, None)
                if number is None:
                    return
                due = begin + number / per_second
                time.sleep(max(0.0, due - time.monotonic()))
                line.post(values[number], _SINGLE)
                delays[number] = time.monotonic() - due
        except Exception as error:
            failed.append(error)

    _run_all([threading.Thread(target=run) for _ in range(_CONNECTIONS)], failed)
    return delays


def _run_all(threads: Sequence[threading.Thread], failed: Sequence[Exception]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise WrongRun(str(failed[0]))
