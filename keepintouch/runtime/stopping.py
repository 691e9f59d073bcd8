"""Stopping in order when asked to, and at once when going on would do harm."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from keepintouch.runtime.logs import get_logger

FAIL_STOP_STATUS = 70
"""Exit status of `fail_stop` (EX_SOFTWARE of sysexits.h)."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets. A second signal ends the process the ordinary, hard way.

    To be called from the main thread, once.
    """
    asked = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        asked.set()

    for each in _SIGNALS:
        signal.signal(each, on_signal)
    return asked


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise SystemExit as Ctrl-C raises KeyboardInterrupt, so that `with` blocks clean up.

    The exit status is 128 + the signal's number, as shells have it. To be used in the main thread.
    """
    def on_signal(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, on_signal) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def fail_stop(reason: str, error: BaseException | None = None) -> NoReturn:
    """End this process at once, whatever its threads and tasks are doing, with status 70.

    For the unexpected: nothing is committed, so the next start finds everything as it was. `reason` is a slug.
    """
    get_logger(__name__).critical("fail_stop", reason=reason, exc_info=error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAIL_STOP_STATUS)
