"""Far too much at once waits for a person, and nothing of it is lost."""
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas.alerts import Alert
from services.notifier.channels import Fault, NotSent, Refused
from tests.unit.notifier.world import NUMBERS, TUESDAY, World, alert, at, ended, everybody, member, story

WEDNESDAY, THURSDAY = TUESDAY + timedelta(days=1), TUESDAY + timedelta(days=2)


def many(count: int, start: int = 0, **more: Any) -> list[Alert]:
    """Alerts about so many people, of Ada and Ben by turns."""
    return [alert(f"p{n}", **{"adviser_ref": ("demo:ada", "demo:ben")[n % 2]} | more) for n in range(start, start + count)]


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A council of 100 people; more than 5 alerts about more than 10 of them are a storm."""
    return make_world(council={"people": 100, "limits": {"storm_alerts": 5, "storm_share": 0.1}})


def test_it_is_held_and_one_message_asks_the_service_manager(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.go_to(at(TUESDAY, "23:00"))
    assert world.told() == ["sam"]
    assert world.texts()[0] == (f"Held, as they came at once: 11 alerts about 11 young people. Ref {world.ref()}. "
                                f"https://contact.example.gov.uk/a/{world.ref()} Reply 9 {world.ref()}: send them")
    for each in alerts:
        assert "1 held: storm" in story(world.notifications(each))


def test_they_are_asked_once_and_may_answer_a_week_later(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.go_to(at(TUESDAY + timedelta(days=7), "08:29"))
    assert world.told() == ["sam"]
    assert world.hear(NUMBERS["demo:sam"], f"9 {world.ref()}")[0] == "acted"
    world.go_to(at(TUESDAY + timedelta(days=7), "12:00"))
    assert sorted(world.told()) == ["ada", "ben", "sam"]


def test_what_is_over_before_its_message_could_go_out_is_not_asked_for(world: World) -> None:
    world.provider.next(NotSent("twilio_20429", timedelta(hours=60)))
    alerts = many(11)
    world.read(*alerts)
    world.go_to(at(THURSDAY, "12:00"))
    assert world.states() == ["pending"]
    world.act(alerts[0], "release", "demo:sam")
    world.go_to(at(THURSDAY + timedelta(days=1), "12:00"))
    assert set(world.told()) == {"ada", "ben"}


@pytest.mark.parametrize("alerts", [many(10), many(5), [alert("p1", rule=f"rule_{n}") for n in range(30)]])
def test_as_much_as_the_limit_or_about_few_people_is_none(world: World, alerts: list[Alert]) -> None:
    world.read(*alerts)
    world.after(minutes=5)
    assert "sam" not in world.told()
    assert world.texts()


def test_released_from_the_number_it_was_sent_to_everything_goes_out_and_steps_count_from_then(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.go_to(at(WEDNESDAY, "08:29"))
    world.clock.instant = at(THURSDAY, "10:00")
    ref = world.ref()
    assert world.hear(NUMBERS["demo:ada"], f"9 {ref}")[0] == "not_understood"
    assert world.hear(NUMBERS["demo:sam"], f"1 {ref}")[0] == "not_understood"
    assert world.hear(NUMBERS["demo:sam"], f"9{ref.lower()}", "MO1") == (
        "acted", f"Thank you. {ref}: what was held goes out now.")
    assert world.hear(NUMBERS["demo:sam"], f"9 {ref}", "MO1")[0] == "repeated"
    world.go_to(at(THURSDAY, "12:00"))
    assert sorted(world.told()) == ["ada", "ben", "sam"]
    assert world.texts("demo:ada")[0].startswith("6 young people need contact.")
    assert [(each.action, each.via, each.actor_ref) for each in world.actions()] == [("release", "sms", "demo:sam")]
    assert world.hear(NUMBERS["demo:sam"], f"9 {ref}") == ("ended", f"Thank you. {ref}: nothing is held any more.")
    friday = THURSDAY + timedelta(days=1)
    world.go_to(at(friday, "12:00"))
    assert sorted(world.told()) == ["ada"] * 2 + ["ben"] * 2 + ["sam"]
    world.go_to(at(friday + timedelta(days=3), "12:00"))   # two working days after the release, not after the opening
    assert world.told()[-1] == "mia"


def test_released_by_an_action_on_any_held_alert(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    world.act(alerts[7], "release", "demo:sam")
    world.after(minutes=5)
    assert sorted(world.told()) == ["ada", "ben", "sam"]


def test_nobody_of_another_council_releases_it(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    world.act(alerts[0], "release", "other:sam")
    world.after(minutes=5)
    assert world.told() == ["sam"]


def test_what_ended_meanwhile_is_not_sent_and_is_said(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    world.read(*(ended(each) for each in alerts[:8]))
    world.act(alerts[10], "release", "demo:sam")
    world.after(minutes=5)
    assert [text.split(" Ref ")[0] for text in world.texts("demo:ada")] == ["2 young people need contact. 4 cleared."]
    assert story(world.notifications(alerts[0])) == ["1 held: storm", "storm sending", "storm accepted", "1 dropped: ended"]


def test_what_comes_in_pieces_within_one_gathering_is_one_storm_and_asked_for_once(world: World) -> None:
    for start in range(0, 30, 6):
        world.read(*many(6, start, detected_at=world.clock.now()))
        world.after(seconds=20)
    world.after(minutes=10)
    held = [each for each in many(30) if "1 held: storm" in story(world.notifications(each))]
    assert len(held) >= 18
    assert world.told().count("sam") == 1
    assert len([text for text in world.texts("demo:ada", "demo:ben") if text]) <= 2
    world.act(held[0], "release", "demo:sam")
    world.after(minutes=10)
    told = {key for each in many(30) for key in ([each.alert_id] if "1 accepted" in story(world.notifications(each)) else [])}
    assert len(told) == 30   # nothing is lost


def test_what_opens_later_goes_out_as_ever_while_a_storm_is_held(world: World) -> None:
    world.read(*many(11))
    world.after(minutes=30)
    world.read(alert("q1", detected_at=world.clock.now()))
    world.after(minutes=5)
    assert world.told() == ["sam", "ada"]


def test_critical_alerts_of_a_storm_wait_with_it(world: World) -> None:
    world.read(*many(11, severity="critical"))
    world.after(minutes=5)
    assert world.told() == ["sam"]


def test_later_steps_of_many_alerts_are_no_storm(world: World) -> None:
    for start in (0, 8, 16):
        world.read(*many(8, start, detected_at=world.clock.now()))
        world.after(minutes=10)
    world.go_to(at(THURSDAY, "12:00"))
    assert "sam" not in world.told()
    assert "mia" in world.told()


def test_the_size_of_the_council_is_that_of_its_people_with_an_alert_lately(make_world: Callable[..., World]) -> None:
    world = make_world(council={"limits": {"storm_alerts": 5, "storm_share": 0.5}})
    world.read(*(alert(f"b{n}", mode="backfill") for n in range(20)))
    world.after(minutes=5)
    world.read(*many(9))   # of 29
    world.after(minutes=5)
    assert sorted(world.told()) == ["ada", "ben", "mia"]
    world.read(*many(40, 9, detected_at=world.clock.now()))   # of 69
    world.after(minutes=5)
    assert world.told()[-1] == "sam"


def test_in_trial_what_nobody_would_get_is_no_storm(make_world: Callable[..., World]) -> None:
    world = make_world(council={"people": 20, "limits": {"storm_alerts": 5, "storm_share": 0.1}}, notifier_trial="on",
                       notifier_trial_allow="")
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    assert story(world.notifications(alerts[0])) == ["1 held: trial"]


def test_asked_by_a_number_that_does_not_work_the_fallback_is_asked(world: World) -> None:
    world.provider.next(Refused("twilio_21211", Fault.RECIPIENT))
    world.read(*many(11))
    world.after(minutes=5)
    world.planner.appeals.ask_again()
    world.after(minutes=5)
    assert world.told() == ["duty"]
    assert world.hear(NUMBERS["demo:duty"], f"9 {world.ref()}")[0] == "acted"


def test_asked_by_a_number_that_does_not_work_the_same_person_is_asked_by_email(make_world: Callable[..., World]) -> None:
    sam = member("demo:sam", "service_manager", team_ref=None, email="sam@example.gov.uk", channels=["sms", "email"])
    world = make_world(council={"people": 20, "limits": {"storm_alerts": 5, "storm_share": 0.1},
                                "channels": {"sms": ["twilio"], "email": ["smtp"]}}, staff=[*everybody(), sam])
    world.provider.next(Refused("twilio_21211", Fault.RECIPIENT))
    world.read(*many(11))
    world.after(minutes=5)
    world.planner.appeals.ask_again()
    world.after(minutes=5)
    assert world.told() == []
    assert [letter.subject for letter in world.mail.ledger] == [
        f"Keep in Touch: alerts are held and wait for you (Ref {world.mail.ledger[0].ref})"]


def test_another_storm_while_one_is_held_is_asked_about_again_and_either_ref_releases_both(world: World) -> None:
    world.read(*many(11))
    world.after(hours=1)
    first = world.ref()
    world.read(*many(15, 20, detected_at=world.clock.now()))
    world.after(minutes=5)
    assert [text.split(".")[0] for text in world.texts()] == [
        f"Held, as they came at once: {count} alerts about {count} young people" for count in (11, 26)]
    assert world.hear(NUMBERS["demo:sam"], f"9 {first}")[0] == "acted"
    world.after(minutes=5)
    assert [world.texts(who)[0].split(" ")[0] for who in ("demo:ada", "demo:ben")] == ["14", "12"]


def test_a_storm_of_which_everything_has_ended_is_over(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    world.read(*map(ended, alerts))
    world.planner.appeals.ask_again()
    assert world.hear(NUMBERS["demo:sam"], f"9 {world.ref()}")[0] == "ended"
    world.read(*many(11, 20, detected_at=world.clock.now()))
    world.after(minutes=5)
    assert world.told() == ["sam", "sam"]


def test_at_opening_it_is_held_too_and_released_in_the_evening_it_waits_for_the_morning(make_world: Callable[..., World]) -> None:
    world = make_world(council={"people": 20, "limits": {"storm_alerts": 5, "storm_share": 0.1}}, now=at(TUESDAY, "20:00"))
    world.read(*many(11, detected_at=at(TUESDAY, "20:00")))
    world.go_to(at(WEDNESDAY, "19:00"))
    assert world.told() == ["sam"]
    assert world.hear(NUMBERS["demo:sam"], f"9 {world.ref()}") == (
        "acted", f"Thank you. {world.ref()}: what was held goes out from Thu 12 Mar at 08:30.")
    world.go_to(at(THURSDAY, "09:00"))
    assert sorted(world.told()) == ["ada", "ben", "sam"]


def test_what_is_acknowledged_while_it_is_held_stays_held_by_that(world: World) -> None:
    alerts = many(11)
    world.read(*alerts)
    world.after(minutes=5)
    world.act(alerts[0], "acknowledge")
    world.act(alerts[1], "release", "demo:sam")
    world.after(minutes=5)
    assert world.texts("demo:ada")[0].startswith("5 young people need contact.")


def test_the_service_manager_on_leave_is_stood_in_for(make_world: Callable[..., World]) -> None:
    staff = [*everybody(), member("demo:sam", "service_manager", team_ref=None, active=False)]
    world = make_world(council={"people": 20, "limits": {"storm_alerts": 5, "storm_share": 0.1}}, staff=staff)
    world.read(*many(11))
    world.after(minutes=5)
    assert world.told() == ["duty"]
