"""Thousands of starts and ends are nothing to write a line about."""

import io
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _without_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setattr(sys, "stderr", io.StringIO())
        yield
