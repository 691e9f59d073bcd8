"""Where a process spends its time: sampled from outside by py-spy, so that it need not know of it."""
from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MOST = 25
_RATE = 250
_LOOPS = ("ServiceThread._start_thread", "Worker.execute_from_commandline", "_PollLikeSelector.select")
"""Innermost where a thread waits, or runs an event loop's own compiled code: from outside the two look alike."""


class Profile:
    """Samples processes and prints their dearest functions."""

    def __init__(self, title: str) -> None:
        self._title = title

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Sample a process in the block, main thread and others alike."""
        with TemporaryDirectory(prefix="profile-") as folder:
            file = Path(folder) / "stacks"
            command = [str(Path(sys.executable).with_name("py-spy")), "record", "-p", str(pid), "-f", "raw", "-r", str(_RATE),
                       "-d", "3600", "--function", "-o", str(file)]
            sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                yield
            finally:
                sampler.send_signal(signal.SIGINT)
                sampler.wait(60)
            self._print(file.read_text())

    def _print(self, stacks: str) -> None:
        """`stacks`: on each line functions from the outermost to the innermost, with semicolons between, and a count."""
        own, within, loops = Counter[str](), Counter[str](), 0
        for line in stacks.splitlines():
            stack, _, count = line.rpartition(" ")
            functions = stack.split(";")
            if functions[-1].startswith(_LOOPS):
                loops += int(count)
                continue
            own[functions[-1]] += int(count)
            for function in set(functions):
                within[function] += int(count)
        whole = own.total() or 1
        print(f"\n{self._title}: share of {whole} samples in itself, and with what it calls; "
              f"{loops} more in event loops or waiting")
        for function, samples in own.most_common(_MOST):
            print(f"{samples / whole:7.1%}{within[function] / whole:8.1%}  {function}")
