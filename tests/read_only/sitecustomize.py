"""On PYTHONPATH of a process: as in a container with a read-only root, nothing can be written but in TMPDIR.

Of what Python itself opens, makes, moves and removes; databases and Kafka are reached by sockets.
"""
import errno
import os
import sys

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MAY = (os.path.realpath(os.environ.get("TMPDIR", "/tmp")), "/dev/null", "/dev/shm")
_CHANGES = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"})


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & _WRITES:
            return
    elif event in _CHANGES or (event == "sqlite3.connect" and arguments[0] != ":memory:"):
        path = arguments[0]
    else:
        return
    if not isinstance(path, (str, bytes, os.PathLike)):   # a descriptor: opened before
        return
    if not os.path.realpath(os.fsdecode(path)).startswith(_MAY):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(path))


sys.addaudithook(_refuse)
