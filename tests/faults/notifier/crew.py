"""Notifiers as processes: started in no time, killed, paused, woken and stopped at will."""
from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.processes import until

from .traps import Trap
from .worker import Point, Task, run

_FORKS = multiprocessing.get_context("forkserver")
# Imported once, by the process all others are forked from: a start is a tenth of a second then instead of two.
_FORKS.set_forkserver_preload(["pytest", "tests.faults.notifier.traps", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on",
                               "twilio.rest.api.v2010.account.message", "psycopg", "sqlalchemy.dialects.postgresql.psycopg",
                               "sqlalchemy.dialects.sqlite"])


@dataclass(slots=True)
class Crew:
    """Notifiers by name. `env`: what all of them are told."""

    folder: Path
    env: Mapping[str, str]
    _running: dict[str, ForkServerProcess] = field(default_factory=dict)

    def start(self, name: str, *, at: Point | None = None, pause: bool = False, trap: Trap | None = None,
              more: Mapping[str, str] | None = None) -> None:
        """Start one, perhaps one that comes to grief at some point or has a mistake; returns at once."""
        assert not self.is_alive(name), f"{name} is running"
        env = {**self.env, **(more or {}), **(at.env(pause=pause) if at else {}), **(trap.env() if trap else {})}
        process = _FORKS.Process(target=run, args=(Task(env, self.log(name)),), name=name, daemon=True)
        process.start()
        self._running[name] = process

    def await_death(self, name: str, within: float = 120.0) -> None:
        """Return when it has been killed at its crash point; fail if it does not come to it."""
        assert (status := self.status(name, within)) == -signal.SIGKILL, f"it ended ({status}) and said:\n{self.said(name)}"

    def is_alive(self, name: str) -> bool:
        """Whether it runs, or stands still."""
        return name in self._running and self._running[name].is_alive()

    def status(self, name: str, within: float = 120.0) -> int:
        """How it ended, of a signal its number below zero; waits until it has."""
        self._running[name].join(within)
        status = self._running[name].exitcode
        assert status is not None, f"{name} should have ended by now; it said:\n{self.said(name)}"
        return status

    def kill(self, *names: str) -> None:
        """SIGKILL for these (default: all); returns when they are gone."""
        for name in names or [*self._running]:
            self._running[name].kill()
            self._running[name].join()

    def stop(self, name: str) -> int:
        """SIGTERM; returns how it ended."""
        self._signal(name, signal.SIGTERM)
        return self.status(name)

    def pause(self, name: str) -> None:
        """SIGSTOP; returns when it stands still."""
        self._signal(name, signal.SIGSTOP)
        until(lambda: self.stands_still(name))

    def wake(self, name: str) -> None:
        """SIGCONT."""
        self._signal(name, signal.SIGCONT)

    def stands_still(self, name: str) -> bool:
        """Whether it was stopped by SIGSTOP."""
        stat = Path(f"/proc/{self._running[name].pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def log(self, name: str) -> Path:
        """What it says."""
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        """The last it said."""
        return self.log(name).read_text()[-3000:] if self.log(name).exists() else "nothing"

    def close(self) -> None:
        """End all at once."""
        self.kill()
        for process in self._running.values():
            process.close()

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._running[name].pid
        assert pid is not None
        os.kill(pid, number)
