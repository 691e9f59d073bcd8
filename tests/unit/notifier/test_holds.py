"""Held, then looked at again; days on which the council is closed; which channel; a ladder that is frozen."""
from collections.abc import Callable
from datetime import date, timedelta

from keepintouch.councils import load_councils
from keepintouch.ladders.ladder import Calendar, Delay, later, next_open
from tests.unit.notifier.world import TUESDAY, World, alert, at, councils_file, everybody, member, story

WEDNESDAY, THURSDAY, FRIDAY = (TUESDAY + timedelta(days=n) for n in (1, 2, 3))
EMAILS = {"channels": {"sms": ["twilio"], "email": ["smtp"]}}


def test_what_was_acknowledged_while_it_waited_for_the_morning_is_dropped_from_that_release(
        make_world: Callable[..., World]) -> None:
    world = make_world(now=at(TUESDAY, "20:00"))
    one, two = alert("p1", detected_at=at(TUESDAY, "20:00")), alert("p2", detected_at=at(TUESDAY, "20:00"))
    world.read(one, two)
    world.after(hours=1)
    world.act(one, "acknowledge")
    world.go_to(at(WEDNESDAY, "12:00"))
    assert [text.split(" Ref ")[0] for text in world.texts()] == ["1 young person needs contact."]
    assert story(world.notifications(one)) == ["1 held: outside_hours", "1 dropped: on_hold"]
    world.go_to(at(date(2026, 3, 18), "12:00"))   # it lapses, and then the first step goes out after all
    assert [each for each in story(world.notifications(one)) if each.endswith("accepted")]


def test_nothing_goes_out_on_a_day_the_council_is_closed_and_it_is_no_working_day(make_world: Callable[..., World]) -> None:
    world = make_world(council={"closed": [TUESDAY, THURSDAY]})
    world.read(alert())
    world.go_to(at(TUESDAY, "18:00"))
    assert world.texts() == []
    world.go_to(at(THURSDAY, "18:00"))
    assert [sent.created_at for sent in world.provider.ledger] == [at(WEDNESDAY, "08:31")]
    world.go_to(at(FRIDAY, "18:00"))
    assert [sent.created_at for sent in world.provider.ledger][1:] == [at(FRIDAY, "08:32")]


def test_closed_days_in_the_arithmetic() -> None:
    closed = frozenset({WEDNESDAY, date(2026, 3, 14)})   # a Saturday among them
    assert later(at(TUESDAY), Delay.parse("1wd"), Calendar.WORKING_HOURS, closed) == at(THURSDAY)
    assert later(at(TUESDAY), Delay.parse("3wd"), Calendar.WORKING_HOURS, closed) == at(date(2026, 3, 16))
    assert next_open(at(TUESDAY, "19:00"), Calendar.WORKING_HOURS, closed) == at(THURSDAY, "08:30")
    assert next_open(at(WEDNESDAY), Calendar.ALWAYS, closed) == at(WEDNESDAY)


def test_ladder_messages_go_by_the_channel_that_comes_first_for_somebody(make_world: Callable[..., World]) -> None:
    mia = member("demo:mia", "manager", manager_ref="demo:sam", email="mia@example.gov.uk", channels=["email", "sms"])
    world = make_world(council=EMAILS, staff=[*everybody(), mia])
    world.read(alert("p1"), alert("p2", rule="plan_review", adviser_ref="demo:ben"))
    world.go_to(at(THURSDAY, "12:00"))
    assert "mia" not in world.told()
    [letter] = world.mail.ledger
    assert letter.subject == f"Keep in Touch: contact needed in your team (Ref {letter.ref})"
    assert letter.body.startswith("2 young people in your team need contact.\n")
    assert "- ada, visit overdue: 1 person, since 10 March 2026\n- ben, plan review: 1 person" in letter.body


def test_a_summary_of_the_first_look_goes_by_email_whatever_the_ladders_channel(make_world: Callable[..., World]) -> None:
    mia = member("demo:mia", "manager", manager_ref="demo:sam", email="mia@example.gov.uk")
    world = make_world(council=EMAILS, staff=[*everybody(), mia])
    world.read(*(alert(f"p{n}", mode="backfill") for n in range(3)))
    world.after(seconds=11)
    world.after(minutes=5)
    assert world.told() == []
    assert [letter.address for letter in world.mail.ledger] == ["mia@example.gov.uk"]
    assert world.mail.ledger[0].body.startswith("First look at the records: 3 young people need contact.")


def test_a_ladder_is_frozen_when_the_alert_opens(world: World) -> None:
    world.read(alert("p1"))
    world.after(minutes=5)
    world.councils = load_councils(councils_file(world.folder, steps=[{"after": "0d", "to": ["manager"]}]))
    world.wire()
    world.read(alert("p1"), alert("p2", detected_at=world.clock.now()))
    world.go_to(at(WEDNESDAY, "12:00"))
    assert world.told() == ["ada", "mia", "ada"]
