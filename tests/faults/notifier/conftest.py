"""A stage for each engine of a database, for one test or for a file of them."""
from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keepintouch.runtime.kafka import KafkaSettings
from tests.postgres import ENGINES, fresh_url

if TYPE_CHECKING:   # importing them takes a second, and other tests are collected too
    from tests.faults.notifier.stage import Stage


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:   # two notifiers share PostgreSQL only
        two = metafunc.definition.get_closest_marker("two")
        metafunc.parametrize("engine", ["postgresql"] if two else ENGINES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of the database: each in its turn, but for tests marked `two`."""
    return str(request.param)


@pytest.fixture
def stage(engine: str, kafka: KafkaSettings, make_topics: Callable[..., Any], tmp_path: Path,
          request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage with nobody on it yet. Mark a test `stage(...)` for other arguments than usual."""
    with _stage(request, engine, kafka, make_topics, tmp_path) as ready:
        yield ready


@pytest.fixture(scope="module")
def service(engine: str, kafka: KafkaSettings, make_topics: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory,
            request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A stage for all tests of a file, on which a notifier is at work. Each test has people of its own, see `of`; at the end
    everything is judged together.
    """
    with _stage(request, engine, kafka, make_topics, tmp_path_factory.mktemp("service")) as ready:
        ready.start()
        yield ready
        ready.twilio.finish()
        verdict = ready.end()
        assert verdict.good, verdict


@pytest.fixture
def of(service: Stage) -> int:
    """The number of an adviser whom no other test has."""
    return service.next_adviser()


@contextlib.contextmanager
def _stage(request: pytest.FixtureRequest, engine: str, kafka: KafkaSettings, make_topics: Callable[..., Any],
           folder: Path) -> Iterator[Stage]:
    from tests.faults.notifier.stage import Stage

    make_topics(partitions=2)
    asked = request.node.get_closest_marker("stage")
    with Stage.on(fresh_url(request, folder, engine), kafka, folder, **(asked.kwargs if asked else {})) as ready:
        yield ready
    gc.collect()   # here, where what kafka-python left open disturbs nobody
