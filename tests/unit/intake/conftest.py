from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keepintouch.runtime.database import Database
from services.intake.database import open_database
from services.intake.tables import metadata
from tests.postgres import ENGINES, fresh_url
from tests.unit.intake.rig import Rig


@pytest.fixture(scope="package", params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database of each engine for all tests."""
    database = open_database(fresh_url(request, tmp_path_factory.mktemp("intake")))
    yield database
    database.close()


@pytest.fixture
def database(opened: Database) -> Database:
    """A database whose tables are empty."""
    with opened.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    return opened


@pytest.fixture
def make_rig(database: Database, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """A function that starts a gateway other than usual."""
    with ExitStack() as running:
        def make(**settings: Any) -> Rig:
            return running.enter_context(Rig(database, tmp_path, **settings))

        yield make


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A gateway for the councils demo and other, with a key for demo."""
    return make_rig()
