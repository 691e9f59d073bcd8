"""Being the one of several instances that does something."""
from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from keepintouch.runtime.database import AWAY, Database

_IDLE_SECONDS = 30
"""So long after the leader was last heard of, as when it is stopped or cut off, another may lead."""


@dataclass(slots=True)
class Lead:
    """A lock that PostgreSQL keeps for a connection, and frees with it; with SQLite there is one instance anyway.

    Used by one thread. `number`: what the instances agree on.
    """

    database: Database
    number: int
    _connection: Connection | None = None
    _heard_at: float = field(default=0.0)

    def held(self) -> bool:
        """Whether this instance leads: does already, or does from now on because nobody else did. Asks the database."""
        if self.database.engine.dialect.name != "postgresql":
            return True
        if self._connection is not None and not self._is_there():
            self.close()
        if self._connection is None:
            self._connection = self._try()
        return self._connection is not None

    def keep(self) -> None:
        """Let the database hear of us now and then, also when there is nothing to do."""
        if self._connection is not None and time.monotonic() - self._heard_at > _IDLE_SECONDS / 3 and not self._is_there():
            self.close()

    def close(self) -> None:
        """Another may lead."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(*AWAY):
                if not connection.invalidated:
                    connection.invalidate()   # or the pool would keep it, and it the lock
                connection.close()

    def _is_there(self) -> bool:
        assert self._connection is not None
        try:
            self._connection.scalar(sa.select(1))
        except AWAY:
            return False
        self._heard_at = time.monotonic()
        return True

    def _try(self) -> Connection | None:
        connection = self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(self.number))):
                connection.exec_driver_sql(f"SET idle_session_timeout = '{_IDLE_SECONDS}s'")
                self._heard_at = time.monotonic()
                return connection
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
        return None
