"""A real PostgreSQL on this machine, as Debian installs it: one server on a free loopback port, gone with its data at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Self

import psycopg
import pytest

from keepintouch.runtime.ports import free_port

_BINARIES = "usr/lib/postgresql/*/bin/initdb"
_START_WITHIN = 240.0
# Nothing here is to survive a power cut, only the death of those who use it.
_QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "32MB", "max_wal_size": "1GB",
          "max_connections": "150", "autovacuum": "off", "unix_socket_directories": "", "listen_addresses": "127.0.0.1"}


class LocalPostgres:
    """Use as a context manager. It will not run as root: for root it runs as another user who may do nothing else.

    If this process dies in whatever way, the server dies with it (on Linux).
    """

    def __enter__(self) -> Self:
        self._bin = max(Path("/").glob(_BINARIES)).parent
        self._user = _other_user() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="keep-in-touch-postgres-"))
        self._numbers = count(1)
        self.port = free_port()
        try:
            if self._user is not None:
                os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
            data = str(self._folder / "data")
            subprocess.run(self._as_user(str(self._bin / "initdb"), "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8",
                                         "--locale=C", "--no-sync", "--no-instructions"),
                           check=True, stdout=subprocess.DEVNULL, cwd="/")
            options = [part for name, value in _QUICK.items() for part in ("-c", f"{name}={value}")]
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._as_user(str(self._bin / "postgres"), "-D", data, "-p", str(self.port), *options),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
            self._wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it at once and remove its data. May be called twice."""
        if hasattr(self, "_process"):
            self._process.send_signal(signal.SIGQUIT)   # at once, but leaving no shared memory behind
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fresh(self) -> str:
        """Make an empty database; return its URL."""
        name = f"fresh_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://tests@127.0.0.1:{self.port}/{name}"

    def cut_off(self, url: str) -> int:
        """End every connection to a database, as a fail-over or an impatient firewall does; return how many there were. All have
        gone when it returns: what they held is free."""
        name = url.rpartition("/")[2]
        return len(self.run(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"))

    def copy(self, url: str) -> str:
        """A copy of a database that nobody uses just now; return its URL."""
        name, copied = url.rpartition("/")[2], f"copy_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {copied} TEMPLATE {name}")
        return f"{url.removesuffix(name)}{copied}"

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement of ours; return the rows, if it has any."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user="tests", dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def _as_user(self, *command: str) -> Sequence[str]:
        """The command, run by somebody who is not root and ended by the kernel when this thread ends."""
        drop = [] if self._user is None else ["--reuid", str(self._user.pw_uid), "--regid", str(self._user.pw_gid),
                                              "--clear-groups"]
        return ["setpriv", "--pdeathsig", "KILL", *drop, *command]

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_WITHIN
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL did not answer in time"
                time.sleep(0.05)
            else:
                return


def _other_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
"""For tests that run on every engine a service knows: parameters of a fixture that calls `fresh_url`."""


def fresh_url(request: pytest.FixtureRequest, folder: Path, engine: str | None = None) -> str:
    """The URL of an empty database of an engine, by default of that which the fixture's parameter names."""
    if (engine or request.param) == "sqlite":
        return f"sqlite:///{folder}/fresh.db"
    server: LocalPostgres = request.getfixturevalue("postgres")
    return server.fresh()
