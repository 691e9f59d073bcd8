"""Answering HTTP from a thread: what keeps it from answering ends the process, and is not left for somebody to notice."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from keepintouch.runtime.errors import UserError
from keepintouch.runtime.serving import serving
from keepintouch.runtime.stopping import FAIL_STOP_STATUS

_ENDS_BY_ITSELF = """
import threading
import uvicorn
from fastapi import FastAPI
from keepintouch.runtime.serving import serving

def run(self, sockets):
    raise RuntimeError

uvicorn.Server.run = run
with serving(FastAPI(), "127.0.0.1", 0, setting="HTTP_PORT"):
    threading.Event().wait(20)
"""


def test_a_certificate_that_is_none_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "server.pem"
    file.write_text("no certificate", encoding="utf-8")
    with pytest.raises(UserError, match="certificate"), serving(
            FastAPI(), "127.0.0.1", 0, setting="HTTP_PORT", ssl_certfile=file, ssl_keyfile=file):
        pass


def test_a_service_that_answers_nobody_any_more_ends() -> None:
    done = subprocess.run([sys.executable, "-c", _ENDS_BY_ITSELF], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == FAIL_STOP_STATUS
    assert '"event":"fail_stop"' in done.stdout + done.stderr
