"""Runs a set of services as child processes: start, wait until ready, notice when one ends, stop them all in order."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.tether import tethered

_POLL = 0.05


class ChildFailed(UserError):  # noqa: N818 – as with BrokerUnreachable
    """A child ended by itself, or was not ready in time."""


@dataclass(frozen=True, slots=True)
class Child:
    """One service to run."""

    name: str
    command: Sequence[str]
    log: Path
    """Where its standard output and error are appended."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set over the environment of this process."""
    ready_url: str | None = None
    """Answers 200 when it is ready; None: it is ready once it has been started."""


class Supervisor:
    """Use as a context manager; on leaving, however that comes about, every child is ended, the last started first.

    Children have sessions of their own, so Ctrl-C reaches only this process, and they die with it if it is killed (on
    Linux). Start them from a thread that lives as long as they shall. Not for use from several threads at once.
    """

    def __init__(self, *, stop_within: float = 10.0) -> None:
        """`stop_within`: seconds between the SIGTERM for all and the SIGKILL for who is still there."""
        self.stop_within = stop_within
        self._children: dict[str, Child] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, child: Child) -> None:
        """Start `child`, or start it again after it ended; return at once. Raises ChildFailed if it cannot be run."""
        if self.pid(child.name) is not None:
            raise ValueError(f"{child.name} is running")
        child.log.parent.mkdir(parents=True, exist_ok=True)
        self._children[child.name] = child
        self._processes.pop(child.name, None)   # so that it comes last, in stopping order too
        with child.log.open("ab") as log:
            self._processes[child.name] = subprocess.Popen(  # noqa: S603
                tethered(child.command), env={**os.environ, **child.env}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)

    def wait_ready(self, *names: str, within: float = 60.0, meanwhile: Callable[[], None] | None = None) -> None:
        """Return when all the named children (default: all) are ready.

        Raises ChildFailed if one ends first or `within` seconds pass. `meanwhile` is called between looks.
        """
        deadline = time.monotonic() + within
        waiting = list(names or self._processes)
        while waiting := [name for name in waiting if not self._is_ready(self._children[name])]:
            self.check(*waiting)
            if time.monotonic() > deadline:
                raise ChildFailed(f"{waiting[0]} was not ready within {within:.0f} s: {self._last_words(waiting[0])}")
            if meanwhile is not None:
                meanwhile()
            time.sleep(_POLL)

    def check(self, *names: str) -> None:
        """Raise ChildFailed if one of the named children (default: all) has ended."""
        for name in names or list(self._processes):
            status = self._processes[name].poll()
            if status is not None:
                raise ChildFailed(f"{name} ended ({_ending(status)}): {self._last_words(name)}")

    def pid(self, name: str) -> int | None:
        """Return the process id of a child, None if it is not running."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a child a signal (SIGSTOP and SIGCONT make a zombie worker, SIGHUP asks it to read again)."""
        self._processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """End a child at once (SIGKILL) and return when it is gone."""
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self, *names: str) -> None:
        """End the named children in order (SIGTERM, then SIGKILL after `stop_within`); return when they are gone."""
        doomed = [self._processes[name] for name in names]
        for process in doomed:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)   # one that stands still would not hear the other
        deadline = time.monotonic() + self.stop_within
        for process in doomed:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End all children, the last started first. May be called twice."""
        try:
            self.stop(*reversed(self._processes))
        finally:   # a second Ctrl-C must leave nothing behind either
            for process in self._processes.values():
                process.kill()
                process.wait()

    def _is_ready(self, child: Child) -> bool:
        if child.ready_url is None:
            return True
        with contextlib.suppress(OSError, urllib.error.URLError), \
                urllib.request.urlopen(child.ready_url, timeout=2) as answer:  # noqa: S310 – our own address
            return bool(answer.status == 200)
        return False

    def _last_words(self, name: str) -> str:
        log = self._children[name].log
        lines = log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1][:300] if lines else 'it said nothing'} (log: {log})"


def _ending(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
