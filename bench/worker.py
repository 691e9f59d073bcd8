"""The real worker as a process of its own, pinned to the last core and watched from outside."""
from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from keepintouch.runtime.topics import DEFAULT_APP_ID

from . import machine
from .events import NOW
from .setting import write_councils

AT_NOW = f"{NOW.isoformat()}*1"
"""A clock that shows `events.NOW` when the worker starts."""


class WrongRun(RuntimeError):  # noqa: N818 – it says what happened
    """What came out is not what should have, or not in time: the run counts for nothing."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker."""

    name: str
    pid: int
    port: int
    started: float
    """`time.time()` just before its start."""

    def state(self) -> tuple[bool, list[str]]:
        """Whether it is ready, and if not, why."""
        try:
            body = json.loads(self._get("/readyz"))
        except OSError:
            return False, ["not_listening"]
        return body["ready"], body["reasons"]

    def metric(self, name: str, contains: str = "") -> dict[str, float]:
        """Values of a metric by what is between the braces, where that contains a text."""
        lines = self._get("/metrics").splitlines()
        found = (line.removeprefix(name).rpartition(" ") for line in lines if line.startswith((name + "{", name + " ")))
        return {labels.strip("{}"): float(value) for labels, _, value in found if contains in labels}

    def _get(self, path: str) -> str:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read().decode()


class Workers:
    """Starts and ends workers; see `workers`."""

    def __init__(self, settings: KafkaSettings, folder: Path, children: Supervisor) -> None:
        self._settings, self._folder, self._children = settings, folder, children
        self._councils, self._policies = write_councils(folder)
        self._running = set[str]()

    def start(self, name: str = "worker", clock: str = AT_NOW, more: Mapping[str, str] = MappingProxyType({})) -> Worker:
        """Start a worker on the last core; `more` are environment variables."""
        port = free_port()
        env = {"KAFKA_BOOTSTRAP_SERVERS": self._settings.bootstrap_servers, "COUNCILS_FILE": str(self._councils),
               "POLICIES_DIR": str(self._policies), "CONTACT_MONITOR_APP_ID": DEFAULT_APP_ID, "KEEPINTOUCH_DEMO": "1",
               "CONTACT_MONITOR_SETTLE_SECONDS": "1", "CONTACT_MONITOR_HTTP_PORT": str(port), "KEEPINTOUCH_CLOCK": clock}
        started = time.time()
        pid = self.run(name, [sys.executable, "-m", "services.contact_monitor"], {**env, **more})
        return Worker(name, pid, port, started)

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Start any command on the last core; returns its process id."""
        self._children.start(Child(name, command, self.log(name), env))
        self._running.add(name)
        pid = self._children.pid(name)
        if pid is None:
            raise WrongRun(f"{name} ended at once; its log is {self.log(name)}")
        machine.pin(pid, machine.LAST)
        return pid

    def end(self, name: str, at_once: bool = False) -> None:
        """End a process in order, or by kill -9; returns when it is gone."""
        self._running.discard(name)
        (self._children.kill if at_once else self._children.stop)(name)

    def log(self, name: str) -> Path:
        """Where a process writes its log."""
        return self._folder / f"{name}.log"

    def wait(self, what: str, true: Callable[[], object], within: float = 300.0, every: float = 0.02) -> None:
        """Return when something is so; WrongRun if it is not in time, ChildFailed if a process has ended."""
        deadline = time.monotonic() + within
        while not true():
            self._check()
            if time.monotonic() > deadline:
                raise WrongRun(f"{what}: not within {within:.0f} s")
            time.sleep(every)

    def wait_ready(self, worker: Worker, within: float = 300.0, every: float = 0.02) -> float:
        """Return when a worker is ready: seconds from its start."""
        self.wait(f"{worker.name} ready", lambda: worker.state()[0], within, every)
        return time.time() - worker.started

    def wait_idle(self, worker: Worker, share: float = 0.15, within: float = 300.0) -> None:
        """Return when a worker has used less than that share of its core for a second and a half."""
        deadline, quiet, before = time.monotonic() + within, 0, machine.cpu_seconds(worker.pid)
        while quiet < 3:
            time.sleep(0.5)
            now = machine.cpu_seconds(worker.pid)
            quiet, before = (quiet + 1 if now - before < 0.5 * share else 0), now
            self._check()
            if time.monotonic() > deadline:
                raise WrongRun(f"{worker.name} idle: not within {within:.0f} s")

    def _check(self) -> None:
        self._children.check(*self._running)


@contextlib.contextmanager
def workers(settings: KafkaSettings, folder: Path) -> Iterator[Workers]:
    """Workers of one Kafka; all are ended on leaving."""
    with Supervisor() as children:
        yield Workers(settings, folder, children)
