"""The proxy, between a client and a server that says everything back."""
from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from keepintouch.runtime.ports import free_port
from tests.faults.proxy import Proxy
from tests.processes import until


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything back, and hangs up when its client does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            with contextlib.suppress(OSError):   # closed: the test is over
                while True:
                    threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()

        def answer(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                while said := client.recv(1000):
                    client.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=60)


def ask(client: socket.socket, said: bytes = b"hello") -> bytes:
    client.sendall(said)
    return client.recv(1000)


def test_it_passes_on_what_is_said_and_that_someone_hangs_up(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as client:
        assert ask(client) == b"hello"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
        until(lambda: proxy.connections == 0)


def test_a_reset_is_seen_as_one_and_the_next_connection_is_as_good_as_any(echo: int) -> None:
    with Proxy(echo) as proxy:
        with connect(proxy) as client:
            ask(client)
            assert proxy.reset() == 1
            with pytest.raises(ConnectionResetError):
                client.recv(1000)
        with connect(proxy) as client:
            assert ask(client) == b"hello"


def test_in_a_black_hole_nothing_is_heard_and_afterwards_everything(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as before:
        ask(before)
        proxy.black_hole(True)
        with connect(proxy) as after:
            for client in (before, after):
                client.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    ask(client)
            proxy.black_hole(False)
            for client in (before, after):
                client.settimeout(60)
                assert client.recv(1000) == b"hello"


def test_it_can_be_slow(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as client:
        ask(client)
        proxy.delay(0.1)
        began = time.monotonic()
        ask(client)
        assert time.monotonic() - began >= 0.2, "there and back"


def test_without_a_server_behind_it_whoever_connects_is_cut_off() -> None:
    with Proxy(free_port()) as proxy, contextlib.suppress(ConnectionResetError), connect(proxy) as client:
        assert client.recv(1000) == b""
