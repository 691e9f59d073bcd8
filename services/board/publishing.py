"""What the board writes: actions, leave, and who looked. Nothing is said to be saved before Kafka has acknowledged it."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import AUDIT
from schemas.audit import AuditEntry

MOST_WAITING = 20_000
"""Entries of the audit that may wait in memory for Kafka; while so many do, no page about anybody is shown."""

_log = get_logger(__name__)


class NotSavedError(Exception):
    """Kafka did not take it: nothing was saved."""


class NotRecordedError(Exception):
    """That somebody looks could not be recorded: they must not be shown anything."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be written."""

    topic: str
    key: str
    value: bytes


class Publisher(Protocol):
    """Writes records."""

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all are acknowledged; NotSavedError if any is not."""
        ...


def audit_record(actor_ref: str, person_ref: str | None, what: str, at: datetime, page: str) -> Outgoing:
    """One entry of the audit."""
    entry = AuditEntry(actor_ref=actor_ref, person_ref=person_ref, what=what, at=at, page=page)
    return Outgoing(AUDIT, actor_ref, entry.model_dump_json(exclude_none=True).encode())


@dataclass(slots=True)
class Trail:
    """Who looked at whom: written behind the page, in order.

    While Kafka is away entries wait in memory, `MOST_WAITING` at most: a process that ends before it is back loses them, and
    says so in its log.
    """

    publisher: Publisher
    now: Callable[[], datetime]
    _waiting: deque[Outgoing] = field(default_factory=deque)
    _came: threading.Event = field(default_factory=threading.Event)

    def looked(self, actor_ref: str, person_ref: str | None, page: str) -> None:
        """Someone is about to be shown a page about a person, or about several (None). Raises NotRecordedError."""
        if len(self._waiting) >= MOST_WAITING:
            raise NotRecordedError
        self._waiting.append(audit_record(actor_ref, person_ref, "viewed", self.now(), page))
        self._came.set()

    @property
    def waiting(self) -> int:
        """Entries that Kafka has not acknowledged yet."""
        return len(self._waiting)

    def write(self) -> bool:
        """Write what waits; False if Kafka is away."""
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(500, len(self._waiting)))]
            try:
                self.publisher.publish(batch)
            except NotSavedError:
                return False
            for _ in batch:
                self._waiting.popleft()
        return True

    def run(self, stopping: threading.Event) -> None:
        """Write until asked to stop, and then once more."""
        while not stopping.is_set():
            self._came.wait(0.5)
            self._came.clear()   # first: what comes from here on is waited for again, also where there is nothing to write
            if not self.write():
                stopping.wait(1)
        if not self.write():
            _log.error("audit_lost", count=self.waiting)
