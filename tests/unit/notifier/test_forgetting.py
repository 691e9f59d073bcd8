"""What is settled is kept for a time; nothing that is open lacks for what has been forgotten."""
from datetime import timedelta

import sqlalchemy as sa

from services.notifier import tables
from services.notifier.forgetting import Forgetting
from tests.unit.notifier.world import NUMBERS, World, alert, ended, member

KEEP = timedelta(days=400)
EVERYTHING = [table for table in tables.metadata.sorted_tables if table not in (tables.turn, tables.publication)]


def sizes(world: World) -> dict[str, int]:
    with world.database.read() as connection:
        return {table.name: size for table in EVERYTHING
                if (size := connection.scalar(sa.select(sa.func.count()).select_from(table)))}


def forget(world: World) -> int:
    return Forgetting(world.database, world.moment, KEEP).run_once()


def test_what_has_ended_is_forgotten_with_all_that_was_said_and_done(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    world.hear(NUMBERS["demo:ada"], f"1 {world.ref()}")
    world.act(alert("unheard-of"), "review", "demo:mia")
    with world.database.write() as connection:
        connection.execute(sa.insert(tables.unreachable).values(address="+447700900999", reason="r", since=world.clock.now()))
    world.read(ended(one))
    world.clock.advance(KEEP)
    before = sizes(world)
    world.clock.advance(-timedelta(minutes=6))
    assert forget(world) == 0
    assert sizes(world) == before
    world.clock.advance(timedelta(minutes=7))
    assert forget(world) > 0
    assert sizes(world) == {}


def test_of_hundreds_none_is_left(world: World) -> None:
    world.read(*(ended(alert(f"p{n}")) for n in range(450)))
    world.clock.advance(KEEP + timedelta(seconds=1))
    assert forget(world) == 450
    assert sizes(world) == {}


def test_what_is_open_goes_on_as_if_nothing_had_been_forgotten(world: World) -> None:
    one, other = alert("p1"), alert("p2")
    world.read(one, other)
    world.after(days=9)
    told = world.told()
    assert told == ["ada", "ada", "mia", "sam"]
    world.read(ended(other))
    world.clock.advance(KEEP)
    world.after(days=1)
    forget(world)
    world.staff(member("demo:ada", manager_ref="demo:mia"))
    world.read(one.model_copy(update={"sequence": 2}))
    world.after(days=7)
    assert world.told() == told   # nobody is told again what they have been told
    assert sizes(world) == {"alert": 1, "step": 4, "message": 4, "line": 4, "provider_event": 4}
    assert world.hear(NUMBERS["demo:ada"], f"1 {world.ref(0)}")[0] == "acted"


def test_it_looks_once_an_hour(world: World) -> None:
    forgetting = Forgetting(world.database, world.moment, KEEP)
    assert forgetting.run_once() == 0
    world.read(ended(alert()))
    with world.database.write() as connection:
        connection.execute(sa.update(tables.alert).values(ended_noted_at=world.clock.now() - KEEP - timedelta(days=1)))
    world.clock.advance(timedelta(minutes=59))
    assert forgetting.run_once() == 0
    world.clock.advance(timedelta(minutes=1))
    assert forgetting.run_once() == 1
