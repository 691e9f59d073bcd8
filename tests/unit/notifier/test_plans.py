"""What the loops ask the database several times a second does not read through a year of what is settled.

On SQLite, both without statistics, as it runs by itself, and with them, as after somebody's ANALYZE.
"""
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from keepintouch.runtime.database import Database
from services.notifier.audit import Auditor
from services.notifier.database import open_database
from tests.unit.notifier.world import World, alert, ended

TOO_MUCH = ("SCAN alert", "SCAN step", "SCAN line", "SCAN message", "ix_alert_council_status")
"""The last: all of a council's alerts."""


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Database]:
    """A database of its own, as statistics stay."""
    database = open_database(f"sqlite:///{tmp_path}/plans.db")
    yield database
    database.close()


def release(world: World) -> None:
    """Let all loops look at what has come, and again when it has been gathered."""
    world.work()
    world.clock.advance(timedelta(minutes=2))
    world.work()


@pytest.fixture(params=[False, True], ids=["without statistics", "with"])
def year(apart: Database, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """Two hundred alerts that have ended, and three that have just opened."""
    world = World.make(tmp_path, apart, ladder={"weekly": "mon"})
    settled = [alert(f"old{number}") for number in range(200)]
    for start in range(0, 200, 10):
        world.read(*settled[start:start + 10])
        release(world)
    world.read(*(ended(each) for each in settled), *(alert(f"new{number}") for number in range(3)))
    if request.param:
        with apart.write() as connection:
            connection.exec_driver_sql("ANALYZE")
    return world


def plans(database: Database, do: Callable[[], object]) -> dict[str, str]:
    """How the database finds what it is asked for meanwhile, by statement."""
    asked = list[tuple[str, Any]]()
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    do()
    asked_of = [(statement, parameters[0] if isinstance(parameters, list) else parameters)
                for statement, parameters in asked if statement.startswith(("SELECT", "UPDATE", "DELETE"))]
    with database.read() as connection:
        return {statement: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
                for statement, parameters in asked_of}


def test_no_loop_reads_through_what_is_settled(apart: Database, year: World) -> None:
    found = plans(apart, lambda: release(year))
    assert len(found) > 20
    assert {statement: plan for statement, plan in found.items() if any(each in plan for each in TOO_MUCH)} == {}


def test_nor_does_the_audit_but_to_count_messages_by_an_index(apart: Database, year: World) -> None:
    auditor = Auditor(year.planner.office, year.planner.appeals)
    release(year)
    found = plans(apart, auditor.run_once)
    counted = [statement for statement, plan in found.items() if "SCAN message USING COVERING INDEX" in plan]
    assert len(counted) == 1
    assert "GROUP BY message.council, message.state" in counted[0]
    assert {statement: plan for statement, plan in found.items() if statement not in counted
            and any(each in plan for each in TOO_MUCH[:-1])} == {}


def test_what_the_audit_asks_of_each_open_alert_goes_by_that_alert(apart: Database, year: World) -> None:
    """What waits of all, gone through for each of ten thousand, took ten seconds a minute."""
    auditor = Auditor(year.planner.office, year.planner.appeals)
    release(year)
    [plan] = [plan for statement, plan in plans(apart, auditor.run_once).items() if " AS waits" in statement]
    assert plan.count("CORRELATED") == 4
    assert "ix_step_state" not in plan
    assert "ix_message" not in plan
