"""The workers: started, killed, paused and stopped at will, and started again when they end by themselves."""
from __future__ import annotations

import contextlib
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor

from .traps import Trap
from .worker import CrashPoint

STARTS_WITHIN = 120.0


@dataclass(slots=True)
class Worker:
    """One of them: where it is reached, and how it is to be."""

    port: int
    env: Mapping[str, str]
    asked_to_end: bool = False


@dataclass(slots=True)
class Ended:
    """A worker that ended without being asked to."""

    name: str
    status: int
    """Exit status; of a signal, its number below zero."""

    @property
    def how(self) -> str:
        """In a word."""
        return signal.Signals(-self.status).name if self.status < 0 else f"exit status {self.status}"


@dataclass(slots=True)
class Crew:
    """Workers by name. `env`: what all of them are told; `roads`: the port of Kafka as each of them sees it."""

    children: Supervisor
    folder: Path
    env: Mapping[str, str]
    roads: Mapping[str, int]
    workers: dict[str, Worker] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    """Everyone who ended without being asked to, in the order in which it was noticed."""

    def start(self, name: str, *, at: CrashPoint | None = None, trap: Trap | None = None,
              more: Mapping[str, str] | None = None) -> None:
        """Start a worker, perhaps one that comes to grief at some point or has a mistake; returns at once."""
        env = {**self.env, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.roads[name]}", **(more or {})}
        env |= at.env() if at else {}
        env |= trap.env() if trap else {}
        port = free_port()
        self.workers[name] = Worker(port, env)
        self.children.start(Child(name, [sys.executable, "-m", "tests.faults.worker"], self.log(name),
                                  env | {"CONTACT_MONITOR_HTTP_PORT": str(port)}, f"http://127.0.0.1:{port}/readyz"))

    def wait_ready(self, *names: str) -> None:
        """Return when these (default: all) are ready."""
        self.children.wait_ready(*(names or self.running), within=STARTS_WITHIN)

    def stop(self, *names: str) -> None:
        """SIGTERM for these (default: all); returns when they are gone."""
        for name in (going := names or self.running):
            self.workers[name].asked_to_end = True
        self.children.stop(*going)

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone. It counts as having ended by itself."""
        if name in self.running:
            self.children.kill(name)

    def replace(self, name: str, at: CrashPoint) -> None:
        """Kill a worker that is at work, and start one in its place that will come to grief."""
        if name in self.running:
            self.children.kill(name)
            self.start(name, at=at)

    def leave(self, name: str) -> None:
        """SIGTERM for a worker, unless it is the last one; returns when it is gone."""
        if name in self.running and len(self.running) > 1:
            self.stop(name)

    def join(self, name: str) -> None:
        """Start a worker that is not at work."""
        if name not in self.running:
            self.start(name)

    def dismiss(self) -> None:
        """End all, at once: nobody has anything left to do."""
        for name in self.running:
            self.workers[name].asked_to_end = True
            self.children.kill(name)

    def pause(self, name: str) -> None:
        """SIGSTOP; nothing, if it has ended."""
        if name in self.running:
            self.children.signal(name, signal.SIGSTOP)

    def wake(self, name: str) -> None:
        """SIGCONT; nothing, if it has ended."""
        if name in self.running:
            self.children.signal(name, signal.SIGCONT)

    @property
    def running(self) -> list[str]:
        """Who runs, or stands still."""
        return [name for name in self.workers if self.children.pid(name) is not None]

    def tend(self) -> list[Ended]:
        """Start those again who ended without being asked to, as a supervisor does, and without their crash point."""
        fallen = [Ended(name, self.status(name)) for name, worker in self.workers.items()
                  if self.children.pid(name) is None and not worker.asked_to_end]
        for each in fallen:
            env = self.workers[each.name].env
            self.start(each.name, more={key: value for key, value in env.items() if key not in CrashPoint.VARIABLES})
        self.ended += fallen
        return fallen

    def status(self, name: str) -> int:
        """How a worker ended; waits until it has."""
        return self.children._processes[name].wait(120)

    def stands_still(self, name: str) -> bool:
        """Whether it was stopped by SIGSTOP."""
        pid = self.children.pid(name)
        return pid is not None and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def partitions(self, name: str) -> set[int]:
        """Which a worker looks after, restored; none if it does not answer."""
        gauges = self.gauges(name, "contact_monitor_heartbeat_timestamp_seconds") or {}
        return {int(labels.split('"')[1]) for labels in gauges}

    def gauges(self, name: str, metric: str) -> dict[str, float] | None:
        """Values of a metric of a worker, by what is between the braces; None if it does not answer."""
        with contextlib.suppress(OSError, urllib.error.URLError), \
                urllib.request.urlopen(f"http://127.0.0.1:{self.workers[name].port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
            found = (line.removeprefix(metric).rpartition(" ") for line in lines if line.startswith((metric + "{", metric + " ")))
            return {labels.strip("{}"): float(value) for labels, _, value in found}
        return None

    def settled(self) -> bool:
        """Whether all who do not stand still are ready and have looked at everyone, and nobody new waits for a first look."""
        asked = [name for name in self.running if not self.stands_still(name)]
        return bool(asked) and all(
            self.children._is_ready(self.children._children[name]) and self._has_none(name, "contact_monitor_people_settling")
            and self._has_none(name, "contact_monitor_people_not_looked_at") for name in asked)

    def _has_none(self, name: str, metric: str) -> bool:
        """Whether a worker says that it has nobody of a kind."""
        gauges = self.gauges(name, metric)
        return gauges is not None and not any(gauges.values())

    def log(self, name: str) -> Path:
        """What a worker said."""
        return self.folder / f"{name}.log"
