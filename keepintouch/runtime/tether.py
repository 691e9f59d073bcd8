"""Run a command that cannot outlive the process that started it: ``python tether.py PARENT COMMAND…``.

Becomes the command (same process id) after telling the kernel to send it SIGKILL when its parent goes away, however
that comes about. On Linux only; elsewhere the command is run as it is. Used by its path, so that it starts quickly and
nothing runs between fork and exec in a parent that may have threads.

The kernel means the *thread* that started the child: start tethered commands from one that lives as long as they do.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` as a child of this process which dies with it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:   # it went away before the line above
            raise SystemExit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 – what our own caller asks for
    except OSError as error:
        raise SystemExit(f"cannot run {command[0]}: {error.strerror}") from None


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
