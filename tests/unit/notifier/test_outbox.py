"""Not lost, hardly ever doubled: what providers do wrong, and workers that die."""
import json
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from services.notifier import outbox, tables
from services.notifier.channels import Fault, NotSent, Refused, Seen, Uncertain
from services.notifier.directory import Worker
from services.notifier.metrics import UNSETTLED
from services.notifier.recipient import Place, Recipient
from tests.standins.provider import Later
from tests.unit.notifier.world import NUMBERS, TUESDAY, World, alert, at, ended, member, story

BUSY = NotSent("twilio_20429", timedelta(seconds=30))
NO_SUCH_NUMBER, NOT_LET_IN = Refused("twilio_21211", Fault.RECIPIENT), Refused("twilio_20003", Fault.CONFIGURATION)


def texted(world: World) -> None:
    """One alert about one of Ada's people, released and handed to the provider."""
    world.read(alert())
    world.after(seconds=61)


def test_what_was_definitely_not_sent_is_tried_again_until_it_is(world: World) -> None:
    world.provider.next(BUSY, NotSent("NewConnectionError"), NotSent("NewConnectionError"))
    texted(world)
    assert world.texts() == []
    world.after(minutes=10)
    assert len(world.provider.calls) == 4
    assert world.told() == ["ada"]
    assert {call.ref for call in world.provider.calls} == {world.ref()}


def test_as_long_as_the_provider_says_it_is_left_alone(world: World) -> None:
    world.provider.next(NotSent("twilio_20429", timedelta(minutes=7)))
    texted(world)
    world.after(minutes=6)
    assert len(world.provider.calls) == 1
    world.after(minutes=2)
    assert world.told() == ["ada"]


def test_how_old_the_oldest_is_that_waits_can_be_told(world: World) -> None:
    def oldest() -> dict[str, float]:
        with world.database.read() as connection:
            made = outbox.oldest(connection, UNSETTLED)
        return {state: (world.clock.now() - when) // timedelta(minutes=1) for state, when in made.items()}

    world.provider.next(NotSent("twilio_20429", timedelta(minutes=7)), "lost")
    texted(world)
    world.after(minutes=6)
    assert oldest() == {"pending": 6}
    world.after(minutes=1, seconds=30)
    assert oldest() == {"uncertain": 7}
    world.after(minutes=10)
    assert oldest() == {}   # what is accepted is no longer ours to send


def test_accepted_without_an_answer_is_looked_for_and_found_not_sent_again(world: World) -> None:
    world.provider.next("lost")
    texted(world)
    assert world.states() == ["uncertain"]
    world.after(minutes=10)
    assert world.states() == ["accepted"]
    assert world.told() == ["ada"]
    assert len(world.provider.calls) == 1


def test_looked_for_twice_in_vain_it_is_sent_again_with_the_same_words_and_flagged(world: World) -> None:
    world.provider.next(Uncertain("ReadTimeout"))
    one = alert()
    world.read(one)
    world.after(seconds=61)
    world.after(seconds=100)
    assert world.states() == ["uncertain"]   # one look was not enough
    world.after(seconds=60)
    assert world.states() == ["accepted"]
    first, again = world.provider.calls
    assert (first.body, first.ref, first.id) == (again.body, again.ref, again.id)
    assert [(each.state, each.possible_duplicate) for each in world.notifications(one)] == [
        ("sending", False), ("uncertain", False), ("sending", True), ("accepted", True)]


def test_while_the_provider_cannot_be_asked_nothing_is_sent_again(world: World) -> None:
    world.provider.next("lost")
    world.provider.away = True
    texted(world)
    world.after(hours=2)
    assert world.states() == ["uncertain"]
    assert len(world.provider.calls) == 1
    world.provider.away = False
    world.after(minutes=5)
    assert world.states() == ["accepted"]
    assert world.told() == ["ada"]


def test_an_uncertain_message_whose_alert_has_ended_is_not_sent_again(world: World) -> None:
    world.provider.next(Uncertain("ReadTimeout"))
    one = alert()
    world.read(one)
    world.after(seconds=61)
    world.read(ended(one))
    world.after(minutes=10)
    assert world.states() == ["dropped"]
    assert len(world.provider.calls) == 1


def test_a_worker_that_dies_with_a_message_in_hand_leaves_it_uncertain(world: World) -> None:
    world.read(alert())
    world.work()
    world.clock.advance(timedelta(seconds=61))
    world.planner.run_once()
    with world.database.write() as connection:   # it claims, and dies before it calls
        row = outbox.claim(connection, "the dead", world.moment(), timedelta(seconds=30))
        assert row is not None
        outbox.begin(connection, row, template="ladder", body="words", provider="twilio", moment=world.moment())
    world.after(seconds=29)
    assert world.states() == ["sending"]
    world.after(seconds=2)
    assert world.states() == ["uncertain"]
    world.after(minutes=4)
    assert world.told() == ["ada"]
    assert [sent.body for sent in world.provider.ledger] == ["words"]


def test_a_worker_that_wakes_after_its_lease_can_only_bring_evidence(world: World) -> None:
    world.read(alert())
    world.work()
    world.clock.advance(timedelta(seconds=61))
    world.planner.run_once()
    with world.database.write() as connection:
        row = outbox.claim(connection, "sleeper", world.moment(), timedelta(seconds=30))
        assert row is not None
        row = outbox.begin(connection, row, template="ladder", body="words", provider="twilio", moment=world.moment())
    world.after(minutes=5)   # reaped, looked for twice, sent again by somebody else
    assert world.told() == ["ada"]
    with world.database.write() as connection:
        assert not outbox.record(connection, row, NotSent("late"), world.moment(), timedelta(seconds=90))
        assert not outbox.record(connection, row, Refused("late", Fault.RECIPIENT), world.moment(), timedelta(seconds=90))
    assert world.states() == ["accepted"]


def test_a_number_that_is_refused_is_disabled_and_the_alert_passed_on_at_once(world: World) -> None:
    one = alert()
    world.provider.next(NO_SUCH_NUMBER)
    world.read(one)
    world.after(minutes=5)
    assert world.told() == ["mia"]
    assert story(world.notifications(one)) == [
        "1 sending", "1 failed: twilio_21211", "1 sending: adviser unreachable, to manager",
        "1 accepted: adviser unreachable, to manager"]
    world.read(alert("p2", detected_at=world.clock.now()))
    world.after(minutes=5)
    assert world.told() == ["mia", "mia"]
    world.staff(member("demo:ada", manager_ref="demo:mia", mobile="+447700900077"))   # a new number works again
    world.read(alert("p3", detected_at=world.clock.now()))
    world.after(minutes=5)
    assert world.told() == ["mia", "mia", "ada"]


def test_a_configuration_fault_stops_the_channel_burns_no_attempts_and_loses_nothing(world: World) -> None:
    world.provider.next(NOT_LET_IN)
    texted(world)
    world.after(minutes=5)
    assert world.told() == ["ada"]
    with world.database.read() as connection:
        assert connection.scalar(sa.select(tables.message.c.attempts)) == 1
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.unreachable)) == 0


def test_once_a_stopped_channel_works_all_that_waits_for_it_goes_out(world: World) -> None:
    world.provider.next(*[NOT_LET_IN] * 6)
    world.read(*(alert(f"p{n}", adviser_ref=f"demo:{who}") for n, who in enumerate(("ada", "ben", "mia", "sam"))))
    world.after(minutes=40)   # tried after 1, 2, 4, 8, 15 minutes
    assert len(world.provider.calls) == 6
    later = world.delivery.pool = Later()
    world.clock.advance(timedelta(minutes=7))
    world.delivery.send_all()   # one is tried, and the others find the gate shut meanwhile
    assert later.run() == 1
    assert len(world.told()) == 1
    world.delivery.send_all()
    assert later.run() == 3
    assert sorted(world.told()) == ["ada", "ben", "mia", "sam"]
    assert world.metrics.channel_stopped.labels("demo", "sms", "twilio")._value.get() == 0


def test_with_new_credentials_a_stopped_channel_goes_on_at_once(world: World) -> None:
    world.provider.next(*[NOT_LET_IN] * 6)
    world.read(alert("p1"), alert("p2", adviser_ref="demo:ben"))
    world.after(minutes=40)
    world.delivery.credentials_changed()
    world.work()
    assert sorted(world.told()) == ["ada", "ben"]


def test_a_refusal_nobody_knows_gives_up_no_number_and_is_tried_again_later(world: World) -> None:
    world.provider.next(Refused("twilio_21609", Fault.UNKNOWN))
    texted(world)
    world.after(minutes=14)
    assert world.texts() == []
    world.after(minutes=2)
    assert world.told() == ["ada"]


def test_an_outage_over_night_is_not_made_up_for_in_the_night(world: World) -> None:
    world.clock.instant = at(TUESDAY, "17:58")
    world.provider.next(*[NotSent("NewConnectionError")] * 6)
    one = alert(detected_at=world.clock.now())
    world.read(one)
    world.go_to(at(TUESDAY + timedelta(days=1), "08:00"))
    assert world.texts() == []
    world.staff(member("demo:ada", manager_ref="demo:mia", active=False))   # and it is decided anew who gets it
    world.go_to(at(TUESDAY + timedelta(days=1), "09:30"))
    assert world.told() == ["mia"]
    assert "1 held: outside_hours" in story(world.notifications(one))


def test_what_was_answered_for_in_that_night_is_not_sent_in_the_morning(world: World) -> None:
    world.clock.instant = at(TUESDAY, "17:58")
    world.provider.next(*[NotSent("NewConnectionError")] * 6)
    one = alert(detected_at=world.clock.now())
    world.read(one)
    world.go_to(at(TUESDAY, "20:00"))
    world.act(one, "acknowledge")
    world.go_to(at(TUESDAY + timedelta(days=6), "17:00"))
    assert world.texts() == []
    world.go_to(at(TUESDAY + timedelta(days=8), "09:30"))
    assert world.told() == ["ada"]


def test_what_ended_or_was_acknowledged_while_the_provider_was_away_is_left_out(world: World) -> None:
    world.provider.next(*[BUSY] * 4)
    one, two, three = alert("p1"), alert("p2"), alert("p3")
    world.read(one, two, three)
    world.after(seconds=70)
    world.read(ended(one))
    world.act(two, "acknowledge")
    world.after(minutes=10)
    assert world.texts()[-1].startswith("1 young person needs contact.")


class TestStatuses:
    """What a provider says of a message it has accepted."""

    def tell(self, world: World, state: str, code: str | None = None, sid: str = "SM1") -> outbox.Evidence:
        with world.database.write() as connection:
            message_id = connection.scalar(sa.select(tables.message.c.id))
            assert message_id is not None
            return outbox.evidence(connection, message_id, "twilio", Seen(sid, state, code), world.moment())  # type: ignore[arg-type]

    def test_forward_only(self, world: World) -> None:
        texted(world)
        assert self.tell(world, "delivered") is outbox.Evidence.TAKEN
        for state in ("accepted", "sent", "undelivered", "failed", "delivered"):
            assert self.tell(world, state) is outbox.Evidence.NOTHING_NEW
        assert world.states() == ["delivered"]
        assert [each.state for each in world.notifications()] == ["sending", "accepted", "delivered"]

    def test_delivered_before_the_answer_to_our_call(self, world: World) -> None:
        world.provider.next(Uncertain("ReadTimeout"))
        texted(world)
        assert self.tell(world, "delivered") is outbox.Evidence.TAKEN
        world.after(minutes=10)
        assert world.states() == ["delivered"]
        assert len(world.provider.calls) == 1

    @pytest.mark.parametrize("code", ["30005", "30006"])
    def test_a_handset_that_cannot_get_texts_is_passed_on_and_said(
            self, world: World, code: str, capsys: pytest.CaptureFixture[str]) -> None:
        texted(world)
        self.tell(world, "undelivered", code)
        said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        [line] = [each for each in said if each["event"] == "recipient_unreachable"]
        assert (line["level"], line["worker_ref"], line["reason"]) == ("error", "demo:ada", f"twilio_{code}")
        world.after(minutes=5)
        assert world.told() == ["ada", "mia"]

    def test_what_somebody_has_said_they_are_on_is_passed_on_when_their_time_is_over(self, world: World) -> None:
        one = alert()
        world.read(one)
        world.after(seconds=61)
        world.after(minutes=1)
        world.act(one, "acknowledge", "demo:ben")
        self.tell(world, "undelivered", "30006")
        world.go_to(at(date(2026, 3, 17), "08:45"))
        assert world.told() == ["ada"]
        assert story(world.notifications(one))[-2:] == ["1 undelivered: twilio_30006", "1 held: on_hold"]
        world.go_to(at(date(2026, 3, 17), "10:00"))
        assert world.told() == ["ada", "mia"]
        assert world.texts()[-1].startswith("1 young person needs contact.")

    def test_what_became_worse_after_that_is_passed_on_at_once(self, world: World) -> None:
        one = alert(adviser_ref="demo:ben")
        world.read(one)
        world.act(one, "acknowledge", "demo:ben")
        world.after(minutes=5)
        assert world.told() == []
        world.read(one.model_copy(update={"sequence": 2, "severity": "critical", "adviser_ref": None}))
        world.after(minutes=5)
        assert world.told() == ["mia"]
        self.tell(world, "undelivered", "30006")
        world.after(minutes=5)
        assert world.told() == ["mia", "sam"]

    def test_a_handset_out_of_reach_is_tried_once_more_and_once_only(self, world: World) -> None:
        texted(world)
        self.tell(world, "undelivered", "30003")
        self.tell(world, "sent")                       # late, about the first: it changes nothing
        world.after(minutes=6)
        assert world.told() == ["ada", "ada"]
        assert world.provider.ledger[0].ref == world.provider.ledger[1].ref
        self.tell(world, "undelivered", "30003", "SM2")
        world.after(minutes=20)
        assert world.told() == ["ada", "ada"]
        assert world.states() == ["undelivered"]

    def test_a_message_nobody_calls_back_about_is_asked_for(self, world: World) -> None:
        texted(world)
        world.provider.states["SM1"] = Seen("SM1", "delivered")
        world.after(minutes=29)
        assert world.states() == ["accepted"]
        world.after(minutes=3)
        assert world.states() == ["delivered"]


def test_the_same_person_is_not_told_the_same_twice_by_two_targets(world: World) -> None:
    """The adviser is her own manager: the critical step for both is one message, one line."""
    world.staff(member("demo:ada", "manager", manager_ref="demo:ada"))
    one = alert(severity="critical")
    world.read(one)
    world.after(seconds=5)
    assert world.told() == ["ada"]
    assert "critical merged: same_recipient" in story(world.notifications(one))


def test_no_record_ever_holds_a_body_a_number_or_a_name(world: World) -> None:
    world.read(alert(), alert("p2", severity="critical"))
    world.go_to(at(date(2026, 3, 20), "12:00"))
    with world.database.read() as connection:
        published = " ".join(connection.scalars(sa.select(tables.publication.c.value)))
    assert "accepted" in published
    assert not [number for number in NUMBERS.values() if number in published]
    assert "Name of" not in published
    assert "young" not in published
    assert "demo:p1" not in published


def test_two_messages_that_a_provider_calls_by_one_id_are_both_what_they_are(world: World) -> None:
    """A provider that gives an id twice is at fault, but nothing stops for it, and nothing is sent twice."""
    world.read(alert("p1"), alert("p2", adviser_ref="demo:ben"))
    world.work()
    world.clock.advance(timedelta(seconds=61))
    world.planner.run_once()
    with world.database.read() as connection:
        ids = list(connection.scalars(sa.select(tables.message.c.id)))
    with world.database.write() as connection:
        for each in ids:
            for state in ("accepted", "delivered"):
                seen = Seen("SM1", "accepted" if state == "accepted" else "delivered")
                assert outbox.evidence(connection, each, "twilio", seen, world.moment()) is outbox.Evidence.TAKEN
    world.after(minutes=10)
    assert world.states() == ["delivered", "delivered"]
    assert world.texts() == []


def test_a_message_about_nothing_is_not_made(world: World) -> None:
    recipient = Recipient(Worker.of(member("demo:ada")), "sms", NUMBERS["demo:ada"], Place.ADVISER, ())
    with world.database.write() as connection:
        outbox.put(connection, "0" * 32, "demo", recipient, "weekly", [], world.moment())
    assert world.states() == []
