"""What is published again after a death does not contradict what was published before it."""
from datetime import timedelta

from services.notifier import outbox
from services.notifier.channels import Seen
from services.notifier.publications import oldest, without_outdated
from tests.unit.notifier.world import World, alert


def published(world: World, *, in_doubt: bool) -> list[tuple[str, str]]:
    """State and key of what would be sent."""
    with world.database.read() as connection:
        pending = oldest(connection, 100)
    told = {each.seq: each for each in (without_outdated(pending) if in_doubt else pending)}
    states = [each.state for each in world.notifications()]
    return [(state, key) for state, each in zip(states, told.values(), strict=True) for key in each.keys]


def test_what_came_to_its_end_is_not_said_to_be_under_way_again(world: World) -> None:
    one, other = alert("p1"), alert("p2", adviser_ref="demo:ben")
    world.read(one, other)
    world.after(seconds=61)
    [done, _] = sorted(world.provider.ledger, key=lambda sent: sent.recipient_ref)
    sid = next(sid for sid, seen in world.provider.states.items() if world.provider.ledger[int(sid[2:]) - 1] is done)
    with world.database.write() as connection:
        for state in ("sent", "delivered"):
            outbox.evidence(connection, done.id, "twilio", Seen(sid, state), world.moment())
    mine, others = str(one.alert_id), str(other.alert_id)
    assert {("sending", mine), ("accepted", mine), ("sent", mine), ("delivered", mine)} <= set(published(world, in_doubt=False))
    again = published(world, in_doubt=True)
    assert [state for state, key in again if key == mine] == ["sending", "delivered"]
    assert [state for state, key in again if key == others] == ["sending", "accepted"]


def test_without_an_end_everything_is_said_again(world: World) -> None:
    world.read(alert())
    world.clock.advance(timedelta(seconds=61))
    world.work()
    assert published(world, in_doubt=True) == published(world, in_doubt=False)
