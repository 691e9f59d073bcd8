"""A board without Kafka for each test."""
from __future__ import annotations

from pathlib import Path

import pytest

from .world import Browser, Stage, arranged, stage


@pytest.fixture
def made(tmp_path: Path) -> Stage:
    """A board that has read a council's records."""
    return stage(tmp_path, arranged(40))


@pytest.fixture
def browser(made: Stage) -> Browser:
    """A browser in which nobody is signed in yet."""
    return Browser(made)
