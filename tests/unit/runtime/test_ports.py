"""Ports for processes that are about to start."""
from __future__ import annotations

import itertools
import socket

import pytest

from keepintouch.runtime import ports
from keepintouch.runtime.ports import free_port


def test_none_is_one_that_a_connection_going_out_could_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        out = [socket.create_connection(server.getsockname()) for _ in range(20)]
        assert max(free_port() for _ in range(20)) < min(each.getsockname()[1] for each in out)
        for each in out:
            each.close()


def test_one_that_is_listened_on_is_passed_over_and_none_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_next", itertools.count())
    first = free_port()
    monkeypatch.setattr(ports, "_next", itertools.count())
    with socket.create_server(("127.0.0.1", first)):
        assert len({first, *(free_port() for _ in range(100))}) == 101
