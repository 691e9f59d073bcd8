from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keepintouch.runtime.database import Database
from services.notifier.database import open_database
from services.notifier.tables import metadata, turn
from tests.postgres import ENGINES, fresh_url
from tests.unit.notifier.world import World


@pytest.fixture(scope="package", params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database of each engine for all tests, because SQLAlchemy learns every statement anew for each."""
    database = open_database(fresh_url(request, tmp_path_factory.mktemp("notifier")))
    yield database
    database.close()


@pytest.fixture
def database(opened: Database) -> Database:
    """A database whose tables are empty."""
    with opened.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not turn:
                connection.execute(sa.delete(table))
    return opened


@pytest.fixture
def make_world(tmp_path: Path, database: Database) -> Callable[..., World]:
    """A function that makes the world of this test, other than usual."""
    def make(**settings: Any) -> World:
        return World.make(tmp_path, database, **settings)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Tuesday 09:00, standard ladder, everybody at work."""
    return make_world()
