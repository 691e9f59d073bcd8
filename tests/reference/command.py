"""The command `keepintouch`, run in this process: starting Python costs a second, and there are thousands of runs."""

import io
import sys
from dataclasses import dataclass

from keepintouch.cli import main


@dataclass(frozen=True)
class Ran:
    """What a run of the command left behind."""

    status: int
    out: str
    err: str


def keepintouch(*arguments: str, stdin: bytes = b"") -> Ran:
    """Run the command with these arguments, as the shell would."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, sys.stdin, sys.stdout, sys.stderr = ["keepintouch", *arguments], io.TextIOWrapper(io.BytesIO(stdin)), out, err
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    return Ran(status, _read(out), _read(err))


def _read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
