"""What staff text back: what acts, what does not, and what is answered."""
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.notifier.channels import NotSent
from services.notifier.tables import message
from services.notifier.texts import NOT_UNDERSTOOD
from tests.unit.notifier.world import NUMBERS, TUESDAY, World, alert, at, ended, story

ADA, BEN, MIA = NUMBERS["demo:ada"], NUMBERS["demo:ben"], NUMBERS["demo:mia"]


@pytest.fixture
def texted(world: World) -> Callable[..., str]:
    """A function that has a text about these alerts sent, and returns its Ref."""
    def send(*alerts: object) -> str:
        world.read(*alerts)  # type: ignore[arg-type]
        world.after(minutes=2)
        return world.ref()
    return send


def test_on_it_acts_on_every_alert_of_the_text_one_action_each(world: World, texted: Callable[..., str]) -> None:
    alerts = [alert("p1"), alert("p1", rule="plan_review"), alert("p2")]
    ref = texted(*alerts)
    assert world.hear(ADA, f"1 {ref}")[0] == "acted"
    assert sorted(each.alert_id for each in world.actions()) == sorted(each.alert_id for each in alerts)
    assert {(each.action, each.actor_ref, each.via) for each in world.actions()} == {("acknowledge", "demo:ada", "sms")}
    assert len({each.action_id for each in world.actions()}) == 3


@pytest.mark.parametrize("word", "234")
def test_the_others_act_only_on_a_text_about_one_person(world: World, texted: Callable[..., str], word: str) -> None:
    ref = texted(alert("p1"), alert("p2"))
    assert world.hear(ADA, f"{word} {ref}") == ("not_understood", NOT_UNDERSTOOD)
    assert world.actions() == []


@pytest.mark.parametrize("why", ["ended", "acknowledged"])
def test_a_text_is_about_whom_it_spoke_of_when_it_went_out(world: World, why: str) -> None:
    left, other = alert("p1"), alert("p2")
    world.provider.next(NotSent("ConnectionError", timedelta(minutes=10)))
    world.read(left, other)
    world.after(minutes=2)
    if why == "ended":
        world.read(ended(other))
    else:
        world.act(other, "acknowledge", "demo:mia")
    world.after(minutes=20)
    ref = world.ref()
    assert "2: seen" in world.texts()[-1]
    assert world.hear(ADA, f"2 {ref}")[0] == "acted"
    assert [each.alert_id for each in world.actions()] == [left.alert_id]
    assert story(world.notifications(other))[-1] == ("1 dropped: ended" if why == "ended" else "1 held: on_hold")
    world.go_to(at(TUESDAY + timedelta(days=8), "12:00"))   # five working days on
    assert (story(world.notifications(other))[-1] == "1 dropped: ended") == (why == "ended")


@pytest.mark.parametrize(("word", "action"), [("2", "seen_already"), ("3", "not_mine"), ("4", "refused")])
def test_about_one_person_with_two_alerts_they_do(world: World, texted: Callable[..., str], word: str, action: str) -> None:
    ref = texted(alert("p1"), alert("p1", rule="plan_review"))
    assert world.hear(ADA, f"{word} {ref}")[0] == "acted"
    assert [each.action for each in world.actions()] == [action, action]


def test_the_same_message_delivered_again_does_nothing_more_and_is_answered_the_same(
        world: World, texted: Callable[..., str]) -> None:
    ref = texted(alert())
    heard, answer = world.hear(ADA, f"1 {ref}", "MO1")
    assert heard == "acted"
    assert world.hear(ADA, f"1 {ref}", "MO1") == ("repeated", answer)
    assert len(world.actions()) == 1


def test_from_another_number_it_does_nothing(world: World, texted: Callable[..., str]) -> None:
    ref = texted(alert())
    assert world.hear(BEN, f"1 {ref}") == ("not_understood", NOT_UNDERSTOOD)
    assert world.actions() == []


def test_summaries_and_weekly_messages_take_no_replies(make_world: Callable[..., World]) -> None:
    world = make_world(ladder={"weekly": "tue"}, now=at(TUESDAY, "07:00"))
    world.read(alert("p1", mode="backfill"))
    world.go_to(at(TUESDAY, "09:00"))
    assert {sent.template for sent in world.provider.ledger} == {"weekly", "backfill_summary"}
    for sent in world.provider.ledger:
        world.after(minutes=2)
        assert world.hear(sent.address, f"1 {sent.ref}") == ("not_understood", NOT_UNDERSTOOD)
        assert world.hear(sent.address, f"9 {sent.ref}")[0] == "not_understood"
    assert world.actions() == []


def test_one_fixed_answer_a_minute_and_number(world: World) -> None:
    assert world.hear(ADA, "hello", "MO1") == ("not_understood", NOT_UNDERSTOOD)
    assert world.hear(ADA, "hello", "MO1") == ("repeated", None)
    assert world.hear(ADA, "hello?") == ("not_understood", None)
    assert world.hear(BEN, "hello") == ("not_understood", NOT_UNDERSTOOD)
    world.after(seconds=61)
    assert world.hear(ADA, "anybody") == ("not_understood", NOT_UNDERSTOOD)


@pytest.mark.parametrize("word", ["STOP", "stop", "Stop all of it", "STOPALL", "unsubscribe", "CANCEL", "END", "quit", "HELP",
                                  "START"])
def test_words_like_stop_are_never_commands_and_never_answered(world: World, texted: Callable[..., str], word: str) -> None:
    texted(alert())
    assert world.hear(ADA, word) == ("providers_own", None)
    assert world.actions() == []


def test_an_answer_says_what_happens_next_and_when(world: World, texted: Callable[..., str]) -> None:
    one = alert()
    ref = texted(one)
    assert world.hear(ADA, f"3 {ref}")[1] == f"Thank you. {ref}: not yours. The manager is told now."
    world.after(minutes=2)
    managers = world.ref()
    assert world.told() == ["ada", "mia"]
    answer = world.hear(MIA, f"1 {managers}")[1]
    assert answer == f"Thank you. {managers}: on it. If contact is still needed on Tue 17 Mar at 09:04, the adviser will be told."
    world.read(ended(one))
    assert world.hear(MIA, f"1 {managers}") == ("ended", f"Thank you. {managers} has ended already: nothing more is needed.")


def test_after_the_last_step_the_answer_says_so(make_world: Callable[..., World]) -> None:
    world = make_world(ladder={"weekly": "mon", "steps": [{"after": "0d", "to": ["adviser"]}], "critical": []})
    world.read(alert())
    world.after(minutes=2)
    assert world.hear(ADA, f"1 {world.ref()}")[1] == (
        f"Thank you. {world.ref()}: on it. No further text about it is due; it stays in the weekly message.")


@given(st.text(max_size=40))
@settings(suppress_health_check=list(HealthCheck), max_examples=40)
def test_whatever_else_is_said_changes_nothing(world: World, body: str) -> None:
    world.clock.instant += timedelta(minutes=2)
    assert world.hear(ADA, body)[0] in ("not_understood", "providers_own")
    assert world.actions() == []


def test_a_text_that_may_have_arrived_can_be_answered_while_it_waits_to_be_sent_again(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(TUESDAY, "17:58"))
    world.provider.next("lost")
    world.provider.hidden = True
    world.read(alert(detected_at=world.clock.now()))
    world.after(minutes=30)
    assert world.states() == ["pending"]   # until the morning
    assert world.hear(ADA, f"1 {world.ref()}")[0] == "acted"
    world.go_to(at(TUESDAY + timedelta(days=1), "12:00"))
    assert world.told() == ["ada"]


def test_what_waits_for_words_cannot_be_answered(world: World) -> None:
    world.read(alert())
    world.work()
    world.clock.advance(timedelta(seconds=61))
    world.planner.run_once()
    with world.database.read() as connection:
        [ref] = connection.scalars(sa.select(message.c.ref))
    assert world.hear(ADA, f"1 {ref}") == ("not_understood", NOT_UNDERSTOOD)
