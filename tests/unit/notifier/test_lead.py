"""One of several instances publishes; a database that goes away is waited for."""
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from keepintouch.runtime.database import Database
from services.notifier.database import open_database
from services.notifier.lead import Lead
from services.notifier.loops import Loops
from services.notifier.metrics import Metrics
from tests.postgres import LocalPostgres
from tests.processes import until


@pytest.fixture
def url(postgres: LocalPostgres) -> str:
    return postgres.fresh()


@pytest.fixture
def two(url: str) -> Iterator[tuple[Database, Database]]:
    """The same database as two instances have it."""
    one, other = open_database(url), open_database(url)
    yield one, other
    one.close()
    other.close()


def test_one_leads_until_it_ends_or_is_cut_off(two: tuple[Database, Database], postgres: LocalPostgres, url: str) -> None:
    one, other, elsewhere = Lead(two[0], 7), Lead(two[1], 7), Lead(two[1], 8)
    with closing(one), closing(other), closing(elsewhere):
        assert one.held()
        assert one.held()
        assert not other.held()
        assert elsewhere.held()
        one.close()
        until(other.held)   # PostgreSQL frees the lock when it has noticed that the connection is closed
        assert postgres.cut_off(url)
        assert one.held()
        assert not other.held()   # which notices that it has been cut off
        one.close()
        until(other.held)


def test_with_sqlite_there_is_one_anyway(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/notifier.db")
    assert Lead(database, 7).held()
    database.close()


def test_a_loop_waits_for_a_database_that_was_away_and_says_so(
        two: tuple[Database, Database], postgres: LocalPostgres, url: str) -> None:
    stopping, back = threading.Event(), threading.Event()
    loops = Loops(stopping, Metrics())
    rounds: list[int] = []

    def once() -> None:
        with two[0].write() as connection:
            if not back.is_set():
                postgres.cut_off(url)
            rounds.append(connection.execute(sa.text("SELECT 1")).scalar() or 0)

    loops.start("once", once, pause=0.01)
    until(lambda: loops.waiting() == ["database_away"])
    back.set()
    until(lambda: len(rounds) > 3 and not loops.waiting())
    stopping.set()
    loops.join()
    assert loops.stuck() == []
