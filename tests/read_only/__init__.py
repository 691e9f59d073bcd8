"""A process that may write as little as in its container."""
from __future__ import annotations

from pathlib import Path


def read_only(scratch: Path) -> dict[str, str]:
    """The environment in which a Python process may write into `scratch`, which is made, and nowhere else."""
    scratch.mkdir(parents=True)
    return {"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
