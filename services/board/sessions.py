"""Who is signed in: kept here, never in the browser, which holds a random id alone. Ends after half an hour without use."""
from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

IDLE_SECONDS = 30 * 60.0
LONGEST_SECONDS = 10 * 3600.0
"""From the sign-in, however much it is used."""
SIGNING_IN_SECONDS = 10 * 60.0
"""How long a sign-in may take."""
_MOST_SIGNING_IN = 10_000


@dataclass(slots=True)
class Session:
    """One browser. Nobody is signed in while `worker_ref` is None: a sign-in is under way."""

    id: str
    csrf: str
    began: float
    used: float
    worker_ref: str | None = None
    after_sign_in: str = "/"
    """The page that was asked for."""
    state: dict[str, Any] = field(default_factory=dict)
    """What the sign-in must remember until the browser comes back."""
    said: list[str] = field(default_factory=list)
    """What the next page is to say first."""


class Sessions:
    """All sessions of this process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` tells real seconds."""
        self._now, self._lock = monotonic, threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, after_sign_in: str = "/") -> Session:
        """A new session in which nobody is signed in yet."""
        session = self._new()
        session.after_sign_in = after_sign_in
        with self._lock:
            self._drop_old()
            self._sessions[session.id] = session
        return session

    def sign_in(self, worker_ref: str, instead_of: Session | None = None) -> Session:
        """A new session, under a new id, of someone signed in."""
        session = self._new()
        session.worker_ref = worker_ref
        with self._lock:
            if instead_of is not None:
                self._sessions.pop(instead_of.id, None)
            self._sessions[session.id] = session
        return session

    def get(self, session_id: str | None) -> Session | None:
        """The session of an id, if it has not ended; using it keeps it alive."""
        with self._lock:
            session = self._sessions.get(session_id or "")
            if session is None:
                return None
            if self._ended(session):
                del self._sessions[session.id]
                return None
            session.used = self._now()
            return session

    def end(self, session: Session) -> None:
        """Sign out."""
        with self._lock:
            self._sessions.pop(session.id, None)

    def _new(self) -> Session:
        now = self._now()
        return Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now, now)

    def _ended(self, session: Session) -> bool:
        now = self._now()
        if session.worker_ref is None:
            return now - session.began > SIGNING_IN_SECONDS
        return now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SECONDS

    def _drop_old(self) -> None:
        for session in [each for each in self._sessions.values() if self._ended(each)]:
            del self._sessions[session.id]
        signing_in = [each for each in self._sessions.values() if each.worker_ref is None]
        for session in signing_in[:max(0, len(signing_in) - _MOST_SIGNING_IN + 1)]:
            del self._sessions[session.id]
