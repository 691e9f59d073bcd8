"""By which provider a message goes, and when one is left alone."""
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.notifier import tables
from services.notifier.channels import Fault, NotSent, Refused, Seen, Uncertain
from tests.standins.provider import ProviderStandIn
from tests.unit.notifier.world import World, alert, member, story

BUSY, AWAY = NotSent("twilio_20429", timedelta(minutes=7)), NotSent("ConnectionError")
NOT_LET_IN, WHY = Refused("twilio_20003", Fault.CONFIGURATION), Refused("twilio_21609", Fault.UNKNOWN)
NO_SUCH_NUMBER = Refused("twilio_21211", Fault.RECIPIENT)


@pytest.fixture
def second(world: World) -> ProviderStandIn:
    """The council's second provider for texts; the first is the world's own."""
    made = ProviderStandIn("notify")
    world.delivery.channels = {("demo", "sms"): [world.provider, made]}
    return made


def texted(world: World, person: str = "p1", **more: Any) -> None:
    world.read(alert(person, detected_at=world.clock.now(), **more))
    world.after(seconds=61)


def stopped(world: World) -> float | None:
    labels = {"council": "demo", "channel": "sms", "provider": "twilio"}
    return world.metrics.registry.get_sample_value("notifier_channel_stopped", labels)


def test_the_first_provider_is_preferred(world: World, second: ProviderStandIn) -> None:
    for person in ("p1", "p2", "p3"):
        texted(world, person)
    assert len(world.provider.ledger) == 3
    assert second.calls == []


@pytest.mark.parametrize("first", [AWAY, BUSY, NOT_LET_IN, WHY])
def test_what_the_first_definitely_did_not_send_goes_by_the_second_at_once(
        world: World, second: ProviderStandIn, first: Refused | NotSent) -> None:
    world.provider.next(first)
    one = alert()
    world.read(one)
    world.after(seconds=61)
    [sent] = second.ledger
    assert sent.ref == world.provider.calls[0].ref
    assert [(each.state, each.provider) for each in world.notifications(one)] == [
        ("sending", "twilio"), ("sending", "notify"), ("accepted", "notify")]
    world.after(minutes=20)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("first", [Uncertain("ReadTimeout"), "lost"])
def test_what_the_first_may_have_sent_never_does(world: World, second: ProviderStandIn, first: Uncertain | str) -> None:
    world.provider.next(first)
    texted(world)
    world.after(minutes=20)
    assert second.calls == []
    assert len({call.id for call in world.provider.calls}) == 1


def test_a_number_that_is_refused_is_not_tried_with_the_second_but_passed_on(world: World, second: ProviderStandIn) -> None:
    world.provider.next(NO_SUCH_NUMBER)
    texted(world)
    world.after(minutes=5)
    assert world.told() == ["mia"]
    assert second.calls == []


def test_when_both_are_away_they_are_tried_in_turn_and_the_first_is_preferred_again(
        world: World, second: ProviderStandIn) -> None:
    world.provider.next(AWAY, AWAY)
    second.next(AWAY, AWAY)
    texted(world)
    world.after(minutes=10)
    assert (len(world.provider.calls), len(second.calls)) == (3, 2)
    assert world.told() == ["ada"]


def test_who_wants_to_be_left_alone_gets_nobodys_texts_meanwhile(world: World, second: ProviderStandIn) -> None:
    world.provider.next(BUSY)
    for person in ("p1", "p2"):
        texted(world, person)
    assert (len(world.provider.calls), len(second.ledger)) == (1, 2)
    world.after(minutes=7)
    texted(world, "p3")
    assert (len(world.provider.calls), len(second.ledger)) == (2, 2)


def test_a_fault_of_configuration_stops_the_channel_and_loses_and_burns_nothing(world: World) -> None:
    world.provider.next(*[NOT_LET_IN] * 4)
    texted(world)
    assert stopped(world) == 1
    world.read(alert("p2", adviser_ref="demo:ben", detected_at=world.clock.now()))
    world.after(minutes=14)
    assert len(world.provider.calls) == 4   # ever more rarely, one at a time
    assert world.states() == ["pending", "pending"]
    with world.database.read() as connection:
        assert set(connection.scalars(sa.select(tables.message.c.attempts))) == {0}
    world.after(minutes=4)
    assert sorted(world.told()) == ["ada", "ben"]
    assert stopped(world) == 0


def test_only_the_kind_of_message_that_is_at_fault_stops(world: World) -> None:
    mails = ProviderStandIn("smtp")
    world.delivery.channels = {("demo", "sms"): [world.provider], ("demo", "email"): [mails]}
    object.__setattr__(world.councils.councils["demo"].channels, "email", ["smtp"])
    world.staff(member("demo:ben", channels=["email"], email="ben@example.gov.uk"))
    world.provider.next(NOT_LET_IN)
    texted(world)
    texted(world, "p2", adviser_ref="demo:ben")
    [mail] = mails.ledger
    assert (mail.address, mail.channel) == ("ben@example.gov.uk", "email")
    assert mail.subject
    assert mail.ref in mail.body


def test_after_a_technical_failure_at_notify_the_next_provider_sends_it_once_more(
        world: World, second: ProviderStandIn) -> None:
    world.delivery.channels = {("demo", "sms"): [second, world.provider]}
    texted(world)
    second.states["notify-1"] = Seen("notify-1", "failed", "technical")
    world.after(minutes=40)   # without a callback it is asked about
    world.after(minutes=10)
    assert [each.ref for each in world.provider.ledger] == [second.ledger[0].ref]
    assert len(second.ledger) == 1


def test_a_number_that_notify_finds_permanently_wrong_is_passed_on(world: World, second: ProviderStandIn) -> None:
    world.delivery.channels = {("demo", "sms"): [second]}
    texted(world)
    second.states["notify-1"] = Seen("notify-1", "undelivered", "permanent")
    world.after(minutes=40)
    world.after(minutes=10)
    assert [each.recipient_ref for each in second.ledger] == ["demo:ada", "demo:mia"]


def test_what_was_made_before_trial_is_not_sent_in_it(world: World) -> None:
    one = alert()
    world.provider.next(AWAY)
    world.read(one)
    world.after(seconds=61)
    object.__setattr__(world.settings, "notifier_trial", "on")
    world.after(minutes=5)
    object.__setattr__(world.settings, "notifier_trial", "off")
    world.after(minutes=5)
    assert world.texts() == []
    assert story(world.notifications(one)) == ["1 sending", "1 held: trial"]


def test_an_uncertain_message_whose_provider_has_left_the_councils_file_is_sent_again_by_another(
        world: World, second: ProviderStandIn) -> None:
    world.provider.next(Uncertain("ReadTimeout"))
    texted(world)
    world.delivery.channels = {("demo", "sms"): [second]}
    world.after(minutes=10)
    assert len(second.ledger) == 1
    assert world.notifications()[-1].possible_duplicate


def test_what_no_provider_ever_says_anything_about_is_not_asked_about_for_ever(world: World) -> None:
    asked: list[str] = []
    world.provider.ask = lambda provider_id: asked.append(provider_id)   # type: ignore[method-assign]
    texted(world)
    world.read(alert().model_copy(update={"status": "cleared", "sequence": 2, "end_reason": "done",
                                          "ended_at": world.clock.now()}))
    for _ in range(400):
        world.clock.advance(timedelta(minutes=30))
        world.delivery.ask_about_silent()
    assert 100 < len(asked) < 150   # three days


def test_what_is_critical_is_handed_over_first(make_world: Callable[..., World]) -> None:
    world = make_world(ladder={"critical": []})
    world.read(alert("p1"), alert("p2", adviser_ref="demo:ben"), alert("p3", adviser_ref="demo:mia", severity="critical"),
               alert("p4", adviser_ref="demo:duty"))
    world.planner.run_once()
    world.clock.advance(timedelta(seconds=61))
    world.planner.run_once()
    world.delivery.send_all()
    assert world.told()[0] == "mia"
    assert len(world.told()) == 4


class TestHourlyCap:
    """So many messages to one recipient in an hour at most."""

    @pytest.fixture
    def world(self, make_world: Callable[..., World]) -> World:
        return make_world(ladder={"calendar": "always"}, notifier_hourly_cap=3)

    def test_what_is_over_it_is_held_said_so_and_goes_out_as_one(self, world: World) -> None:
        for person in range(6):
            texted(world, f"p{person}")
        texted(world, "p9", adviser_ref="demo:ben")
        assert world.told() == ["ada", "ada", "ada", "ben"]
        assert [each.reason for each in world.notifications() if each.state == "held"] == ["hourly_cap"] * 3
        assert world.metrics.registry.get_sample_value("notifier_steps_held_total", {"reason": "hourly_cap"}) == 3
        world.after(minutes=60)
        assert world.told() == ["ada", "ada", "ada", "ben", "ada"]
        assert world.texts()[-1].startswith("3 young people need contact.")

    def test_what_is_critical_is_not_held_silently(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        for person in range(4):
            texted(world, f"p{person}", severity="critical")
        assert world.told().count("ada") == 3
        said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        [line] = [each for each in said if each["event"] == "hourly_cap" and each["worker_ref"] == "demo:ada"]
        assert (line["level"], line["kind"], line["count"]) == ("error", "critical", 1)
        world.after(minutes=60)
        assert world.told().count("ada") == 4
