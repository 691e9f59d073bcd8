"""A folder into which a case system drops its nightly files: each is taken once it is whole, and moved where it can be found.

`DIR/casenotes.csv` goes to `DIR/working/<instant>-casenotes.csv/`, and that folder, with the list of rejected rows beside the
file, to `DIR/done/` or, with `reason.txt`, to `DIR/failed/`. What is in `working` when a watch begins was broken off and is
imported again.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from keepintouch.runtime.errors import UserError

LOCK = ".keepintouch.lock"
REASON = "reason.txt"

_UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".partial")


class DropFolder:
    """A folder that is ours alone, with the files in it that are whole. Use `watching`."""

    def __init__(self, root: Path, settle: float) -> None:
        self._root, self._settle = root, settle
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        """Of each file: size and time of change as last seen, and since when they have been so."""
        self._working = root / "working"
        for folder in (self._working, root / "done", root / "failed"):
            folder.mkdir(exist_ok=True)

    def left_over(self) -> list[Path]:
        """Files that were being imported when it broke off, in the order in which they were taken."""
        return [file for folder in sorted(self._working.iterdir()) if folder.is_dir()
                for file in sorted(folder.iterdir()) if folder.name.endswith(f"-{file.name}")]

    def whole(self, at: float) -> list[Path]:
        """Files that have not changed for `settle` seconds, by name; `at`: seconds of a clock that only goes forward."""
        found, seen = [], {}
        for path in sorted(self._root.iterdir()):
            if path.name.startswith((".", "~$")) or path.name.lower().endswith(_UNFINISHED) or not path.is_file():
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:   # gone again
                continue
            looks = (stat.st_size, stat.st_mtime_ns)
            before, since = self._seen.get(path, (None, at))
            since = since if looks == before else at
            seen[path] = (looks, since)
            if looks == before and at - since >= self._settle:
                found.append(path)
        self._seen = seen
        return found

    @property
    def waiting(self) -> bool:
        """Whether there are files that are not whole yet."""
        return bool(self._seen)

    def take(self, path: Path, now: datetime) -> Path:
        """Move a file where nobody else writes, and return where it is now."""
        self._seen.pop(path, None)
        folder = self._working / f"{now:%Y-%m-%dT%H%M%S.%f}Z-{path.name}"
        folder.mkdir()
        path.rename(folder / path.name)
        return folder / path.name

    def done(self, taken: Path) -> Path:
        """Move an imported file, and what was written beside it, to `done`; where that is."""
        return self._put_away(taken, "done")

    def failed(self, taken: Path, reason: str) -> Path:
        """Move a file that cannot be imported to `failed`, with the reason beside it; where that is."""
        (taken.parent / REASON).write_text(reason + "\n", encoding="utf-8")
        return self._put_away(taken, "failed")

    def _put_away(self, taken: Path, where: str) -> Path:
        to = self._root / where / taken.parent.name
        taken.parent.rename(to)
        return to


@contextlib.contextmanager
def watching(root: Path, settle: float) -> Iterator[DropFolder]:
    """Have a folder for oneself. Raises UserError if it is not there, or somebody else has it."""
    try:
        handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"{root} cannot be watched: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{root} is being watched already, by another keepintouch import") from None
        try:
            yield DropFolder(root, settle)
        except OSError as error:   # no right to move a file, no space: what is in `working` is taken up again
            raise UserError(f"{error.filename or root}: cannot be moved or written ({error.strerror}): put that right, then "
                            "start it again") from None
    finally:
        os.close(handle)
