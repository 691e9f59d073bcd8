"""A TCP proxy on loopback that can hold bytes up, cut connections, or swallow a network for a while.

It runs an event loop in a thread of its own; whoever uses it calls plain functions from wherever they are.
"""
from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

_CHUNK = 64 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time: closing sends a reset."""

T = TypeVar("T")


class Proxy:
    """Forwards a port to another one. Use as a context manager; on leaving, every connection is cut."""

    def __init__(self, target: int, port: int = 0) -> None:
        """`target`: the loopback port behind it. `port`: where to listen; 0: any free one."""
        self.target, self.port = target, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy to {target}", daemon=True)
        self._open = asyncio.Event()
        """Not set: a black hole. Nothing arrives, nobody is told."""
        self._delay = 0.0
        self._pairs: set[tuple[asyncio.StreamWriter, ...]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many lead through it now."""
        return len(self._pairs)

    def reset(self) -> int:
        """Cut every connection with a reset on both sides; says how many there were. New ones may be made at once."""
        return self._call(self._reset())

    def black_hole(self, on: bool) -> None:
        """Let nothing through, in either direction, and say nothing of it; connections seem to be made all the same.

        When it ends, what was sent meanwhile arrives, as TCP would have it.
        """
        self._call(self._swallow(on))

    def delay(self, seconds: float) -> None:
        """Hold every chunk up for so long, in either direction."""
        self._delay = seconds

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await self._reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _swallow(self, on: bool) -> None:
        if on:
            self._open.clear()
        else:
            self._open.set()

    async def _reset(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            for writer in pair:
                _abort(writer)
        return len(pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _abort(writer)
        finally:
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self.target)
        pair = writer, behind_writer
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._carry(reader, behind_writer), self._carry(behind_reader, writer))
        finally:
            self._pairs.discard(pair)
            for each in pair:
                _abort(each)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes of one direction, to the end of it; then that direction is closed behind the proxy too."""
        while data := await reader.read(_CHUNK):
            await self._open.wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()
        await self._open.wait()
        with contextlib.suppress(OSError):
            writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    if (found := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
