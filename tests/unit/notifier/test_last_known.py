"""Who has left still leads to their manager, also when the topic has forgotten them."""
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.notifier.directory import Directory
from services.notifier.forgetting import Forgetting
from services.notifier.last_known import LastKnown
from services.notifier.tables import last_known
from tests.unit.notifier.world import World, alert, ended, everybody, member

KIM = member("demo:kim", "manager", mobile="+447700900009", team_ref="south")
ADA = member("demo:ada", manager_ref="demo:kim")


@pytest.fixture
def kept(world: World) -> LastKnown:
    """Everybody as the topic had them, Ada with a manager of another team; written down."""
    world.staff(KIM, ADA)
    known = LastKnown(world.database, world.directory, world.clock.now)
    known.keep(world.directory.refs)
    return known


def start(world: World, *, without: str) -> LastKnown:
    """A new process; the topic has everybody but one."""
    world.directory = Directory()
    known = LastKnown(world.database, world.directory, world.clock.now)
    known.recall()
    refs = world.directory.refs
    world.wire()
    world.staff(*(each for each in [*everybody(), KIM, ADA] if each.worker_ref != without))
    known.keep(refs | world.directory.refs)
    return known


def gone(world: World) -> dict[str, object]:
    with world.database.read() as connection:
        return {row.worker_ref: row.gone_at for row in connection.execute(sa.select(last_known)) if row.gone_at is not None}


@pytest.mark.usefixtures("kept")
def test_after_a_start_too_their_manager_hears_and_not_that_of_the_alerts_team(world: World) -> None:
    start(world, without="demo:ada")
    world.read(alert())
    world.after(minutes=5)
    assert world.told() == ["kim"]
    assert world.notifications()[-1].reason == "adviser gone, to manager"


def test_it_is_the_last_that_counts(world: World, kept: LastKnown) -> None:
    world.staff(member("demo:ada", manager_ref="demo:sam"))
    kept.keep(["demo:ada"])
    start(world, without="demo:ada")
    world.read(alert())
    world.after(minutes=5)
    assert world.told() == ["sam"]


@pytest.mark.usefixtures("kept")
def test_who_is_back_is_not_gone(world: World) -> None:
    start(world, without="demo:ada")
    assert list(gone(world)) == ["demo:ada"]
    start(world, without="nobody")
    assert gone(world) == {}
    world.read(alert())
    world.after(minutes=5)
    assert world.told() == ["ada"]


def test_it_is_forgotten_some_time_after_they_left_once_nothing_about_their_people_is_open(world: World, kept: LastKnown) -> None:
    one, left = alert(), world.clock.now()
    world.read(one)
    world.directory.remove("demo:ada")
    kept.keep(["demo:ada"])
    world.clock.advance(timedelta(days=1))
    start(world, without="demo:ada")
    assert gone(world) == {"demo:ada": left}   # and not since that start
    world.clock.advance(timedelta(days=400))
    Forgetting(world.database, world.moment, timedelta(days=400)).run_once()
    assert list(gone(world)) == ["demo:ada"]
    world.read(ended(one))
    Forgetting(world.database, world.moment, timedelta(days=400)).run_once()
    assert gone(world) == {}


@pytest.mark.usefixtures("kept")
def test_no_name_or_number_is_kept(world: World) -> None:
    with world.database.read() as connection:
        kept = str(connection.execute(sa.select(last_known)).all())
    assert "demo:ada" in kept
    assert "Name of" not in kept
    assert "+44" not in kept
