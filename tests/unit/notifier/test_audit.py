"""Nothing is forgotten without somebody being told."""
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.notifier.audit import Auditor
from services.notifier.channels import Uncertain
from services.notifier.tables import message, step, unreachable
from tests.unit.notifier.world import NUMBERS, TUESDAY, World, alert, at, ended, everybody, member

LATER = TUESDAY + timedelta(days=30)


@pytest.fixture
def audited(make_world: Callable[..., World]) -> Callable[..., tuple[World, Auditor]]:
    def make(**more: Any) -> tuple[World, Auditor]:
        world = make_world(**{"ladder": {"weekly": "mon"}} | more)
        return world, Auditor(world.planner.office, world.planner.appeals)
    return make


def look(world: World, auditor: Auditor) -> tuple[float, float]:
    """Two rounds; how many alerts and messages do not balance."""
    for _ in range(2):
        auditor.run_once()
        world.after(minutes=1)
    gauge = world.metrics.unbalanced
    return gauge.labels("demo", "alerts")._value.get(), gauge.labels("demo", "messages")._value.get()


def test_in_the_ordinary_course_of_things_everything_balances(audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited()
    one, two, three = alert("p1"), alert("p2"), alert("p3", adviser_ref=None)
    world.read(one, two, three, alert("p4", mode="backfill"))
    assert look(world, auditor) == (0, 0)
    world.after(minutes=5)
    world.act(one, "snooze", "demo:mia", until=LATER)
    world.read(ended(two))
    assert look(world, auditor) == (0, 0)
    for day in range(1, 31):
        world.go_to(at(TUESDAY + timedelta(days=day), "12:00"))
        with world.database.write() as connection:
            connection.execute(sa.update(message).values(state="delivered"))
    assert look(world, auditor) == (0, 0)
    assert not [sent for sent in world.provider.ledger if sent.template == "audit"]
    balance = {state: world.metrics.balance.labels("demo", state)._value.get()
               for state in ("sent", "delivered", "failed", "pending", "astray")}
    assert balance["sent"] == balance["delivered"] + balance["failed"] + balance["pending"] + balance["astray"] > 0


def test_a_step_that_nobody_looks_at_any_more_is_found_and_the_service_manager_told_once(
        audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited()
    world.read(alert())
    with world.database.write() as connection:
        connection.execute(sa.update(step).values(look_at=None))
    auditor.run_once()
    assert world.texts() == []   # once may be chance
    assert look(world, auditor) == (1, 0)
    assert look(world, auditor) == (1, 0)
    assert world.told() == ["sam"]
    assert world.texts()[0].startswith("Please have this program looked at. Alerts without a next step: 1, messages astray: 0.")
    assert world.hear(NUMBERS["demo:sam"], f"1 {world.ref()}")[0] == "not_understood"
    with world.database.write() as connection:
        connection.execute(sa.update(step).values(look_at=step.c.due_at))
    assert look(world, auditor) == (0, 0)
    with world.database.write() as connection:
        connection.execute(sa.update(step).where(step.c.state != "released").values(state="cancelled"))
        connection.execute(sa.update(step).values(released_at=None))
        connection.execute(sa.update(message).values(state="delivered"))
    assert look(world, auditor) == (1, 0)   # anew, and told anew
    assert world.told().count("sam") == 2


def test_after_the_last_step_there_must_be_a_place_in_a_weekly_message(
        audited: Callable[..., tuple[World, Auditor]]) -> None:
    short = {"weekly": "mon", "steps": [{"after": "0d", "to": ["adviser"]}], "critical": []}
    world, auditor = audited(ladder=short, staff=[member("demo:ada", team_ref=None), member("demo:duty", "duty")])
    world.read(alert("p1", team_ref=None))
    world.after(minutes=5)
    with world.database.write() as connection:
        connection.execute(sa.update(message).values(state="delivered"))
    assert look(world, auditor) == (0, 0)
    world.staff(member("demo:ada", team_ref=None, active=False))
    assert look(world, auditor) == (1, 0)
    assert world.told() == ["ada", "duty"]


def test_a_storm_that_somebody_was_asked_about_is_not_forgotten(audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited(council={"people": 20, "limits": {"storm_alerts": 3, "storm_share": 0.1}}, staff=everybody())
    world.read(*(alert(f"p{n}") for n in range(9)))
    world.after(hours=1)
    assert look(world, auditor) == (0, 0)
    with world.database.write() as connection:
        connection.execute(sa.text("UPDATE appeal SET ended_at = begun_at"))
    assert look(world, auditor)[0] == 9


def test_a_message_that_has_gone_astray_is_found(audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited()
    world.provider.next(Uncertain("ReadTimeout"))
    world.read(alert())
    world.after(minutes=2)
    with world.database.write() as connection:
        connection.execute(sa.update(message).values(state="uncertain", look_again_at=None))
    assert look(world, auditor) == (0, 1)
    assert world.told() == ["sam"]


def test_what_a_storm_holds_is_counted_until_it_is_released(audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited(council={"people": 10, "limits": {"storm_alerts": 2, "storm_share": 0.1}})
    alerts = [alert(f"p{n}") for n in range(4)]
    world.read(*alerts)
    world.after(minutes=2)
    held = world.metrics.storm_held.labels("demo")
    world.read(ended(alerts[0]))
    auditor.run_once()
    assert held._value.get() == 3
    world.act(alerts[1], "release", "demo:sam")
    auditor.run_once()
    assert held._value.get() == 0


@pytest.mark.parametrize(("duty", "expected"), [
    ({}, 0), ({"active": False}, 1), ({"mobile": None}, 1), ({"mobile": "+442079460000"}, 1), ({"channels": ["email"]}, 1),
    ({"mobile": None, "channels": ["email"], "email": "duty@example.gov.uk"}, 1),   # the council has no e-mail provider
    (None, 1)])
def test_a_fallback_that_cannot_be_told_is_known_before_it_is_needed(
        audited: Callable[..., tuple[World, Auditor]], duty: dict[str, Any] | None, expected: int) -> None:
    others = [each for each in everybody() if each.worker_ref != "demo:duty"]
    world, auditor = audited(staff=others if duty is None else [*others, member("demo:duty", "duty", team_ref=None, **duty)])
    auditor.run_once()
    assert world.metrics.fallback_unresolvable.labels("demo")._value.get() == expected


def test_a_fallback_whose_number_does_not_work_cannot_be_told(audited: Callable[..., tuple[World, Auditor]]) -> None:
    world, auditor = audited()
    with world.database.write() as connection:
        connection.execute(sa.insert(unreachable).values(address=NUMBERS["demo:duty"], reason="r", since=world.clock.now()))
    auditor.run_once()
    assert world.metrics.fallback_unresolvable.labels("demo")._value.get() == 1
