"""What the monitor's own work costs without Kafka: `python -m bench.engine [--profile]`, in microseconds of CPU by stage.

The shards of twelve partitions take events as a worker does: first a history that is only folded and written now and then, then
everyone is evaluated, then ordinary events in rounds, each folded, evaluated and written before the next.
"""
from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from aiokafka import ConsumerRecord

from keepintouch.acceptance import accept_event
from keepintouch.runtime.topics import EVENTS
from services.contact_monitor.monitor import MOST_EVALUATED
from services.contact_monitor.records import Writes
from services.contact_monitor.rulebook import Rulebook
from services.contact_monitor.shard import Shard
from services.contact_monitor.state import PartitionState

from .events import NOW, PARTITIONS, Shape, Stored, halves
from .setting import write_councils

Records = list[list[ConsumerRecord[bytes, bytes]]]
"""By partition."""
_LATER = 1e9
"""A monotonic time at which everybody has settled."""


class Stopwatch:
    """CPU time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def start(self) -> None:
        """What went before is no stage's."""
        self._last = time.process_time()

    def stop(self, stage: str) -> None:
        """What went since the start, or the last stop, is this stage's."""
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


class Written:
    """What has come out of the shards."""

    def __init__(self) -> None:
        self.states = self.alerts = self.bytes = self.dead_letters = 0

    def add(self, writes: Writes) -> None:
        """Count one write."""
        self.states += len(writes.states)
        self.bytes += sum(len(value or b"") for _, value in writes.states)
        self.alerts += len(writes.publications)
        self.dead_letters += len(writes.dead_letters)


def main() -> None:
    """Measure, and print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000, help="of the history")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--live", type=int, default=100_000, help="events after the first evaluation")
    parser.add_argument("--rounds", type=int, default=20, help="writes while the history is folded")
    parser.add_argument("--batch", type=int, default=4_000, help="live events folded, evaluated and written at once")
    parser.add_argument("--profile", action="store_true", help="the 25 dearest functions; slows everything down")
    options = parser.parse_args()
    records = _records(*halves(Shape(options.events + options.live, options.people)))
    history = [each[:len(each) * options.events // (options.events + options.live)] for each in records]
    live = [each[len(before):] for each, before in zip(records, history, strict=True)]
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        rulebook = Rulebook.read(*write_councils(Path(folder)))
        _accept_only(history, rulebook)
        shards = [Shard(PartitionState(), rulebook, settle_seconds=0.0) for _ in range(PARTITIONS)]
        _stage("history", lambda: _history(shards, history, options.rounds), options.profile)
        _stage("live", lambda: _live(shards, live, options.batch), options.profile)


def _records(first: Stored, second: Stored) -> Records:
    return [[ConsumerRecord(EVENTS, partition, offset, 0, 1, key, value, None, len(key), len(value), ())
             for offset, (key, value) in enumerate(chain(first.of(partition), second.of(partition)))]
            for partition in range(PARTITIONS)]


def _accept_only(records: Records, rulebook: Rulebook) -> None:
    watch = Stopwatch()
    for record in (each for partition in records for each in partition):
        accept_event(record.value, record.key, record.headers, NOW, rulebook.slugs)
    watch.stop("accept (part of fold)")
    print("accepting alone")
    _print(watch, sum(map(len, records)), Written())


def _history(shards: list[Shard], records: Records, rounds: int) -> None:
    watch, written = Stopwatch(), Written()
    for piece in _pieces(records, rounds):
        _fold(shards, piece, watch)
        _take(shards, watch, written)
    for shard in shards:
        shard.caught_up = True
    while any(shard.has_work(NOW, _LATER) for shard in shards):
        watch.start()
        for shard in shards:
            shard.evaluate(NOW, _LATER, -(-MOST_EVALUATED // PARTITIONS))
        watch.stop("evaluate everyone")
        _take(shards, watch, written, "take what was evaluated")
    _print(watch, sum(map(len, records)), written)


def _live(shards: list[Shard], records: Records, batch: int) -> None:
    watch, written, total = Stopwatch(), Written(), sum(map(len, records))
    for piece in _pieces(records, max(1, total // batch)):
        _fold(shards, piece, watch)
        for shard in shards:
            shard.evaluate(NOW, _LATER, -(-MOST_EVALUATED // PARTITIONS))
        watch.stop("evaluate the touched")
        _take(shards, watch, written)
    _print(watch, total, written)


def _pieces(records: Records, rounds: int) -> Iterator[Records]:
    for n in range(rounds):
        yield [each[len(each) * n // rounds:len(each) * (n + 1) // rounds] for each in records]


def _fold(shards: list[Shard], piece: Records, watch: Stopwatch, now: datetime = NOW) -> None:
    watch.start()
    for shard, records in zip(shards, piece, strict=True):
        shard.fold(records, now, 0.0)
    watch.stop("fold, with accepting")


def _take(shards: list[Shard], watch: Stopwatch, written: Written, stage: str = "take") -> None:
    watch.start()
    taken = [shard.take() for shard in shards]
    watch.stop(stage)
    for writes in taken:
        written.add(writes)


def _print(watch: Stopwatch, events: int, written: Written) -> None:
    for stage, seconds in watch.seconds.items():
        print(f"{stage:26}{seconds / events * 1e6:8.2f} µs an event{seconds:8.2f} s")
    whole = sum(watch.seconds.values())
    print(f"{'all':26}{whole / events * 1e6:8.2f} µs an event{events / whole:12,.0f} events per CPU-second")
    if written.states:
        print(f"{events} events, {written.states} states of {written.bytes // written.states} bytes, {written.alerts} alerts, "
              f"{written.dead_letters} dead letters")


def _stage(name: str, work: Callable[[], None], profiled: bool) -> None:
    print(f"\n{name}")
    if not profiled:
        return work()
    profile = cProfile.Profile()
    profile.runcall(work)
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return None


if __name__ == "__main__":
    main()
