"""The notifier as it is, in a process of its own, but for shorter waits and for one thing that goes wrong.

A *crash point* is a place between two effects (a commit, a call of a provider, a committed offset) at which the process kills or
pauses itself; a *trap* is a mistake put back into it (see `traps`). Production code has no switch for any of it: what it is
made of is replaced here, from outside, before it starts. Effects are told apart by kind and by whose thread has them, not by
the functions they are in.
"""
from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

import kafka as client
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.runtime import database
from services.notifier import delivery, gates, lead, main, outbox, renewal
from services.notifier.channels.twilio import TwilioChannel
from services.notifier.settings import NotifierSettings

SHIFT = "FAULT_SHIFT_FILE"
"""A file that holds by how many seconds the wall clock of the process is wrong."""
FULL = "FAULT_FULL_FILE"
"""A file that, for as long as it is there, makes the disk full that a SQLite database is on."""
SETTINGS = {"notifier_gather": 0.1, "notifier_lease": 8.0, "notifier_http_timeout": 5.0, "notifier_uncertain_after": 0.3,
            "notifier_look_again": 0.3, "notifier_poll_after": 1.0}
"""Seconds, shorter than settings may be."""
IMPATIENT: Mapping[str, str] = {"NOTIFIER_LEASE": "1.5", "NOTIFIER_HTTP_TIMEOUT": "1"}
"""For who waits until the claims of a dead one are over; a provider that is slow by chance is then in doubt, too."""
ASLEEP = 2
"""Seconds after which PostgreSQL gives up a session that sleeps in the middle of a transaction."""
WAITS: Mapping[Any, Mapping[str, float]] = {
    outbox: {"_AGAIN_WAIT": 0.5, "_CONFIGURATION_WAIT": 1.0, "_LONGEST_WAIT": 1.0},
    delivery: {"LEASE_MARGIN": 0.2, "_NO_PROVIDER_WAIT": 1.0}, gates: {"FIRST_WAIT": 1.0, "LONGEST_WAIT": 2.0}}
"""Seconds, of what is no setting."""


class Point(StrEnum):
    """Where it can come to grief: thread, effect, before or after it, and at which time of its being reached."""

    STAFF_NOT_KEPT = "staff commit before 1"
    STAFF_KEPT = "staff commit after 1"
    READ_NOT_WRITTEN = "alerts commit before 1"
    WRITTEN_NOT_ACKNOWLEDGED = "alerts commit after 1"
    """The intent is in the database, the offset of what it came from is not committed."""
    ACKNOWLEDGED = "alerts offset after 1"
    NOT_GATHERED = "release commit before 1"
    GATHERED = "release commit after 1"
    NOT_RELEASED = "release commit before 2"
    RELEASED = "release commit after 2"
    NOT_CLAIMED = "send commit before 1"
    CLAIMED = "send commit after 1"
    BEFORE_CALL = "send_ call before 1"
    AFTER_CALL = "send_ call after 1"
    """The provider has taken it; nothing of that is written down."""
    NOT_RECORDED = "send_ commit before 1"
    RECORDED = "send_ commit after 1"
    PUBLISHED = "publish commit before 1"
    """Kafka has the records; that it has is not written down."""
    FORGOTTEN = "publish commit after 1"
    NOT_REAPED = "look_for commit before 1"
    REAPED = "look_for commit after 1"
    BEFORE_LOOK = "look_for look_up before 1"
    AFTER_LOOK = "look_for look_up after 1"
    FOUND_NOT_WRITTEN = "look_for commit before 2"
    FOUND = "look_for commit after 2"
    CALLBACK_NOT_WRITTEN = "AnyIO commit before 1"
    CALLBACK_WRITTEN = "AnyIO commit after 1"
    """Written, but not answered: the provider tells it again."""
    ASKED_NOT_WRITTEN = "ask commit before 2"
    ASKED = "ask commit after 2"

    def env(self, *, pause: bool = False) -> dict[str, str]:
        """How a worker is told. `pause`: stop there (SIGSTOP) instead of being killed."""
        return {_POINT: self, _SIGNAL: "SIGSTOP" if pause else "SIGKILL"}


_ENGINE_ROOM: Any = database

_POINT, _SIGNAL = "FAULT_POINT", "FAULT_SIGNAL"


class Fate:
    """Counts how often the one place is reached, and strikes when it is time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        thread, effect, when, time = environ.get(_POINT, "- - - 0").split()
        self._place, self._left = (thread, effect, when), int(time)
        self._signal = signal.Signals[environ.get(_SIGNAL, "SIGKILL")]
        self._lock = threading.Lock()

    def reach(self, effect: str, when: str) -> None:
        """This thread is about to have an effect, or has just had it."""
        thread, wanted, at = self._place
        if (effect, when) != (wanted, at) or not _is(threading.current_thread().name, thread):
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._signal)

    @contextlib.contextmanager
    def around(self, effect: str) -> Iterator[None]:
        """An effect."""
        self.reach(effect, "before")
        yield
        self.reach(effect, "after")


def _is(name: str, thread: str) -> bool:
    """Names of loops are whole, those of threads from a pool begin so."""
    return name == thread or (thread in ("send_", "AnyIO") and name.startswith(thread))


def swap(owner: Any, **new: Any) -> None:
    """Put something else in the place of what is there."""
    for name, value in new.items():
        assert hasattr(owner, name), f"there is no {name} to be replaced any more"
        setattr(owner, name, value)


def _strike_at(fate: Fate) -> None:
    """Let effects be noticed."""
    class Watched(_ENGINE_ROOM.Database):   # type: ignore[misc]  # whose home we look up
        @contextlib.contextmanager
        def write(self) -> Iterator[Connection]:
            with super().write() as connection:
                yield connection
                fate.reach("commit", "before")
            fate.reach("commit", "after")

    def watched(function: Callable[..., Any], effect: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            with fate.around(effect):
                return function(*args, **more)
        return call

    swap(_ENGINE_ROOM, Database=Watched)
    swap(TwilioChannel, send=watched(TwilioChannel.send, "call"), find=watched(TwilioChannel.find, "look_up"))
    swap(client.KafkaConsumer, commit=watched(client.KafkaConsumer.commit, "offset"))


class _WrongTime(datetime):
    """The wall clock, and by how much it is wrong."""

    shift: ClassVar[Path]

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """What it shows."""
        return super().now(tz) + timedelta(seconds=float(cls.shift.read_text()))


def _shorten(environ: Mapping[str, str]) -> None:
    """Shorter waits, and a wall clock that can be put wrong."""
    swap(_ENGINE_ROOM, _IDLE_SECONDS=ASLEEP)
    swap(lead, _IDLE_SECONDS=ASLEEP)
    swap(renewal, PAUSE=0.2)
    for module, waits in WAITS.items():
        swap(module, **{name: timedelta(seconds=seconds) for name, seconds in waits.items()})
    chosen = {name: timedelta(seconds=float(environ.get(name.upper(), seconds))) for name, seconds in SETTINGS.items()}
    for name in SETTINGS:
        os.environ.pop(name.upper(), None)   # it would be refused
    replaced: Any = main
    load, read_clock = replaced.load_settings, replaced.clock_from_env

    def load_settings(model: Any) -> Any:
        return load(model).model_copy(update=chosen) if model is NotifierSettings else load(model)

    swap(main, load_settings=load_settings)
    if SHIFT in environ:
        _WrongTime.shift = Path(environ[SHIFT])
        swap(main, datetime=_WrongTime,
             clock_from_env=lambda *given: replace(read_clock(*given), source=lambda: _WrongTime.now(UTC)))


def _fill_disk(full: Path) -> None:
    """Let SQLite find no room for another page."""
    def begin(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if full.exists() else 2**30
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.Engine, "begin", begin)


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is to be: its environment over that of who starts it, and where it says what it says."""

    env: Mapping[str, str]
    log: Path


def run(task: Task) -> None:
    """Become a notifier. For a process that has just been forked and does nothing else."""
    from .traps import VARIABLE, Trap, set_trap

    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)   # end with who has forked us
    with task.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(task.env)
    _strike_at(Fate(task.env))
    _shorten(task.env)
    if FULL in task.env:
        _fill_disk(Path(task.env[FULL]))
    if trap := task.env.get(VARIABLE):
        set_trap(Trap(trap))
    sys.exit(main.main())
