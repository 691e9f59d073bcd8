"""One stage for all; a run on it for each test."""
from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:   # importing them takes a second, and other tests are collected too
    from tests.faults.stage import Run, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The broker of these tests, which is killed now and then, and the roads to it."""
    from tests.faults.stage import Stage

    with Stage(tmp_path_factory.mktemp("faults")) as ready:
        yield ready


@pytest.fixture
def run(stage: Stage, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    """New topics, some people, and nobody at work yet. A test may ask for another run than usual by its parameter."""
    with stage.run(folder=tmp_path, **getattr(request, "param", {})) as ready:
        yield ready
    stage.mend()
    gc.collect()   # here, where what kafka-python left open disturbs nobody
