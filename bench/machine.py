"""The machine measured on: its cores, what a process has used of them, and what it holds in memory."""
from __future__ import annotations

import os
import platform
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
FIRST, LAST = _CORES[0], _CORES[-1]
"""The broker, the generator and the watcher share the first core; what is measured has the last to itself."""


def pin(pid: int, core: int) -> None:
    """Keep a process (0: this one) on one core; what it starts afterwards stays there too."""
    os.sched_setaffinity(pid, {core})


def unpin() -> None:
    """Let this process, and what it starts afterwards, have every core again."""
    os.sched_setaffinity(0, _CORES)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def busy_seconds(core: int) -> float:
    """What everybody together has used of a core, time stolen by the host included."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + soft + steal) / _TICKS


def resident_bytes(pid: int) -> int:
    """What a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def described() -> dict[str, object]:
    """What to say of this machine beside the figures."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": len(_CORES), "cpu": names[0] if names else platform.machine(), "memory_gib": round(memory / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
            "load_at_start": os.getloadavg()[0]}


class Usage:
    """What a process used from now on, and what others used of its core meanwhile."""

    def __init__(self, pid: int, core: int = LAST) -> None:
        self._pid, self._core = pid, core
        self._cpu, self._busy = cpu_seconds(pid), busy_seconds(core)

    def so_far(self) -> tuple[float, float]:
        """CPU seconds of the process, and of others on its core."""
        own = cpu_seconds(self._pid) - self._cpu
        return own, max(0.0, busy_seconds(self._core) - self._busy - own)
