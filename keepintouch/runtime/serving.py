"""Answers HTTP from a thread of its own, for services whose pages or API are an application of FastAPI's."""
from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.stopping import fail_stop


@contextlib.contextmanager
def serving(app: FastAPI, host: str, port: int, *, setting: str, grace: int = 5, **more: Any) -> Iterator[int]:
    """Answer HTTP from a thread; yields the port. On leaving, requests under way have `grace` seconds.

    `setting`: the variable that sets the port, for who must choose another; `more`: arguments of uvicorn's. Raises UserError.
    Should the thread end by itself, so does the process.
    """
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): end what uses the port, or set "
                        f"{setting} to a free one") from None
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=grace, **more)
    try:
        config.load()   # here: in the thread a certificate that is none would leave a service that answers nobody
    except OSError:
        listening.close()
        raise UserError("the certificate to answer https with, or its key, cannot be used: give PEM files that belong together, "
                        "the key without a password") from None
    server = uvicorn.Server(config)

    def run() -> None:
        try:
            server.run([listening])
        except BaseException as error:
            fail_stop("http", error)

    thread = threading.Thread(target=run, name="http", daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
