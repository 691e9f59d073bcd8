"""What stands in for a container's read-only root in tests does refuse what such a root would."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.read_only import read_only


@pytest.mark.parametrize(("program", "refused"), [
    ("open('{out}/x', 'w')", True), ("open('{out}/x', 'ab')", True), ("import os; os.mkdir('{out}/x')", True),
    ("import sqlite3; sqlite3.connect('{out}/x.db')", True), ("import pathlib; pathlib.Path('{out}/there').unlink()", True),
    ("open('{out}/there').read()", False), ("open('/dev/null', 'w')", False),
    ("import tempfile; tempfile.TemporaryDirectory().cleanup()", False)])
def test_nothing_is_written_but_into_the_scratch_folder(program: str, refused: bool, tmp_path: Path) -> None:
    (out := tmp_path / "out").mkdir()
    (out / "there").write_text("as it was")
    done = subprocess.run([sys.executable, "-c", program.format(out=out)], capture_output=True, text=True, check=False,
                          env={**os.environ, **read_only(tmp_path / "scratch")})
    assert ("Read-only file system" in done.stderr) == refused
    assert (done.returncode != 0) == refused
    assert [path.name for path in out.iterdir()] == ["there"]
