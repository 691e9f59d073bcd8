"""How many events a worker gets through for each second of CPU time: catching up, and live. Ours, and a loop written by hand."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.topics import ALERTS, EVENTS, people_changelog
from keepintouch.standards import stored

from . import machine
from .events import Shape, halves
from .kafka import Arrived, Fill, Group, Tail, broker, fill, written
from .profiling import Profile
from .truth import Truth, truths
from .worker import Workers, workers

Row = dict[str, Any]
CHANGELOG = people_changelog()


@dataclass(slots=True)
class Newest:
    """The last record of each key."""

    states: dict[bytes, bytes | None] = field(default_factory=dict)
    alerts: dict[bytes, bytes | None] = field(default_factory=dict)
    unevaluated: set[bytes] = field(default_factory=set)

    def take(self, arrived: Iterable[Arrived]) -> None:
        """Take note of what has come."""
        for record in arrived:
            if record.topic == ALERTS:
                self.alerts[record.key] = record.value
            elif stored.is_person(record.key):
                self.states[record.key] = record.value
                is_due = record.value is not None and stored.header(record.value).due_on == stored.DUE_NOW
                (self.unevaluated.add if is_due else self.unevaluated.discard)(record.key)

    def complete(self, truth: Truth) -> bool:
        """Whether as many alerts are out as must be, and everyone's state is one that was evaluated."""
        return len(self.alerts) >= len(truth.open) and len(self.states) == len(truth.people) and not self.unevaluated


class Ours:
    """The real worker."""

    name = "contact_monitor"

    def __init__(self, at: Workers) -> None:
        self._at = at

    def start(self) -> int:
        """Start it; returns its process id when it has restored its state, and begins to fold."""
        self._worker = self._at.start()
        self._at.wait("begun", lambda: self._worker.state()[1] in ([], ["catching_up"]), every=0.01)
        return self._worker.pid

    def wait_live(self) -> None:
        """Return when whatever comes now is evaluated at once."""
        self._at.wait_ready(self._worker)
        self._at.wait_idle(self._worker)

    def folded(self) -> int:
        """How many events it says that it folded."""
        return round(sum(self._worker.metric("contact_monitor_events_total", 'result="folded"').values()))


class Loop:
    """The peer: `bench.peers.loop`."""

    name = "confluent_loop"

    def __init__(self, at: Workers, settings: KafkaSettings) -> None:
        self._at, self._settings = at, settings

    def start(self) -> int:
        """Start it; returns its process id when it has joined its group, and begins to fold."""
        env = {"KAFKA_BOOTSTRAP_SERVERS": self._settings.bootstrap_servers}
        pid = self._at.run("loop", [sys.executable, "-m", "bench.peers.loop"], env)
        self._at.wait("begun", lambda: "begun" in self._said(), every=0.01)
        return pid

    def wait_live(self) -> None:
        """Return when whatever comes now is evaluated at once."""
        self._at.wait("live", lambda: "live" in self._said())
        time.sleep(1)

    def folded(self) -> int:
        """How many events it says that it folded."""
        self._at.end("loop")
        return int(next(line for line in reversed(self._said().splitlines()) if line.startswith("folded")).split()[1])

    def _said(self) -> str:
        return self._at.log("loop").read_text()


Engine = Ours | Loop


@contextmanager
def _prepared(loop: bool) -> Iterator[tuple[KafkaSettings, Workers, Engine]]:
    with TemporaryDirectory(prefix="bench-") as folder, broker() as settings, workers(settings, Path(folder)) as at:
        yield settings, at, Loop(at, settings) if loop else Ours(at)


def catch_up(shape: Shape, loop: bool = False, profile: Profile | None = None) -> Row:
    """A worker without any state on a full topic: until offsets are committed at its end, and states and alerts are out."""
    first, second = halves(shape)
    truth = truths(shape)[1]
    with _prepared(loop) as (settings, at, engine):
        for half in (first, second):
            fill(settings, EVENTS, half.all())
        with Tail(settings, ALERTS, CHANGELOG) as tail, Group(settings) as group:
            pid, newest = engine.start(), Newest()

            def over() -> bool:
                newest.take(tail.poll())
                return newest.complete(truth) and group.read() >= shape.events

            row = _measured(engine, at, pid, shape.events, over, profile)
            row["wrong"] = [*truth.differences(newest.states, newest.alerts), *_miscounted(engine, truth.events)]
            return row


def live(shape: Shape, loop: bool = False, profile: Profile | None = None) -> Row:
    """A worker that knows everyone is given half the events as fast as the broker takes them, and evaluates whom each batch
    touched before it commits."""
    first, second = halves(shape)
    before, after = truths(shape)
    with _prepared(loop) as (settings, at, engine), Fill(settings, EVENTS, second.all()) as prepared, Group(settings) as group:
        fill(settings, EVENTS, first.all())
        with Tail(settings, ALERTS, CHANGELOG) as tail:
            pid, newest = engine.start(), Newest()

            def known() -> bool:
                newest.take(tail.poll())
                return newest.complete(before) and group.read() >= before.events

            at.wait("everyone known", known, every=0)
        engine.wait_live()
        filled_in, topics = [0.0], (ALERTS, CHANGELOG)
        before_it = [written(settings, topic) for topic in topics]
        row = _measured(engine, at, pid, prepared.count, lambda: group.read() >= shape.events, profile,
                        lambda: filled_in.append(prepared.send()))
        row["filled_in_s"] = round(filled_in[-1], 2)
        alerts, states = (written(settings, topic) - so_many for topic, so_many in zip(topics, before_it, strict=True))
        with Tail(settings, ALERTS, CHANGELOG) as tail:
            found = Newest()
            found.take(tail.to_end())
        row |= {"alert_records": alerts, "state_records": states}
        row["wrong"] = [*after.differences(found.states, found.alerts), *_miscounted(engine, after.events)]
        return row


def _measured(engine: Engine, at: Workers, pid: int, events: int, over: Callable[[], bool], profile: Profile | None,
              begin: Callable[[], object] = lambda: None) -> Row:
    """What a process uses from now on until something is so."""
    with nullcontext() if profile is None else profile.of(pid):
        usage, started = machine.Usage(pid), time.monotonic()
        begin()
        at.wait(f"{engine.name} at the end", over, every=0)
        seconds, (own, others) = time.monotonic() - started, usage.so_far()
    return {"engine": engine.name, "events": events, "per_cpu_s": round(events / own), "per_s": round(events / seconds),
            "cpu_s": round(own, 2), "others_on_core_s": round(others, 2),
            "resident_mib": round(machine.resident_bytes(pid) / 2**20)}


def _miscounted(engine: Engine, events: int) -> list[str]:
    folded = engine.folded()
    return [] if folded == events else [f"{folded} events folded, not {events}"]
