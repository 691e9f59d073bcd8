"""Loopback ports for processes that are about to start."""
from __future__ import annotations

import random
import socket
from itertools import count

# Below those that Linux and macOS give to connections going out, so that none of those takes one before its process listens.
_PORTS = range(20_000, 32_768)
_next = count(random.randrange(len(_PORTS)))  # noqa: S311 – each process from elsewhere on, and none the same one twice soon


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on just now. Raises OSError if there is none."""
    for _ in _PORTS:
        port = _PORTS[next(_next) % len(_PORTS)]
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")
