"""The weekly message: who gets it, when, how, and what it says."""
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.staff import Absence
from tests.unit.notifier.world import NUMBERS, World, alert, at, ended, everybody, member, story

MONDAY = date(2026, 3, 16)
TUESDAY, SUNDAY = MONDAY + timedelta(days=1), MONDAY - timedelta(days=1)
NEXT_MONDAY = MONDAY + timedelta(days=7)
BEFORE = at(MONDAY - timedelta(days=3), "09:00")
WEEKLY: dict[str, Any] = {"weekly": "mon", "steps": [{"after": "0d", "to": ["adviser"]}], "critical": []}
LEAVE = Absence.model_validate({"from": MONDAY, "until": MONDAY + timedelta(days=4)})


@pytest.fixture
def weekly(make_world: Callable[..., World]) -> Callable[..., World]:
    """A world on the Friday before, with one step in its ladder and a weekly message on Mondays."""
    def make(*, ladder: dict[str, Any] | None = None, **more: Any) -> World:
        return make_world(**{"now": BEFORE, "ladder": WEEKLY | (ladder or {})} | more)

    return make


def old(person: str = "p1", **more: Any) -> Any:
    return alert(person, detected_at=BEFORE, **more)


def weeklies(world: World) -> list[tuple[str, str]]:
    """Who got a weekly message, and its words up to the Ref; those made at one instant, which go out in any order, by name."""
    return [(sent.recipient_ref.removeprefix("demo:"), sent.body.split(" Ref ")[0])
            for sent in sorted(world.provider.ledger, key=lambda sent: (sent.created_at, sent.recipient_ref))
            if sent.template == "weekly"]


def test_adviser_and_manager_hear_how_many_people_whatever_mode_or_step(weekly: Callable[..., World]) -> None:
    world = weekly()
    world.read(old("p1"), old("p1", rule="plan_review"), old("p2", mode="backfill"), old("p3", adviser_ref="demo:ben"))
    world.go_to(at(MONDAY, "08:29"))
    assert weeklies(world) == []
    world.go_to(at(MONDAY, "08:31"))
    assert sorted(weeklies(world)) == [
        ("ada", "This week: 2 young people need contact, 2 new, 0 ended, visits planned for 0."),
        ("ben", "This week: 1 young person needs contact, 1 new, 0 ended, visits planned for 0."),
        ("mia", "This week: 3 young people need contact, 3 new, 0 ended, visits planned for 0.")]
    assert not [sent for sent in world.provider.ledger if sent.template == "weekly" and "Reply" in sent.body]
    world.go_to(at(NEXT_MONDAY, "08:00"))
    assert len(weeklies(world)) == 3


def test_it_counts_what_is_new_what_ended_and_what_is_planned_since_the_last(weekly: Callable[..., World]) -> None:
    world = weekly()
    one, two = old("p1"), old("p2")
    world.read(one, two)
    world.go_to(at(TUESDAY))
    world.read(ended(one), alert("p3", detected_at=at(TUESDAY)))
    world.act(two, "plan_visit", until=NEXT_MONDAY + timedelta(days=3))
    world.go_to(at(NEXT_MONDAY, "09:00"))
    assert weeklies(world)[-2:] == [
        (who, "This week: 2 young people need contact, 1 new, 1 ended, visits planned for 1.") for who in ("ada", "mia")]


def test_acknowledged_or_held_alerts_are_counted_all_the_same(weekly: Callable[..., World]) -> None:
    world = weekly()
    one = old()
    world.read(one)
    world.act(one, "snooze", "demo:mia", until=date(2026, 5, 1))
    world.go_to(at(MONDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "mia"]


def test_whoever_has_no_open_alert_gets_none(weekly: Callable[..., World]) -> None:
    world = weekly()
    one = old()
    world.read(one)
    world.after(hours=1)
    world.read(ended(one))
    world.go_to(at(TUESDAY))
    assert weeklies(world) == []


def test_by_email_for_who_has_one_if_the_council_sends_any(weekly: Callable[..., World]) -> None:
    staff = [*everybody(), member("demo:mia", "manager", manager_ref="demo:sam", email="mia@example.gov.uk")]
    world = weekly(staff=staff, council={"channels": {"sms": ["twilio"], "email": ["smtp"]}})
    world.read(old("p1"), old("p2", rule="plan_review", adviser_ref="demo:ben"))
    world.go_to(at(MONDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "ben"]
    [letter] = world.mail.ledger
    assert (letter.address, letter.channel) == ("mia@example.gov.uk", "email")
    assert letter.subject == f"Keep in Touch: this week (Ref {letter.ref})"
    assert letter.body.startswith("This week: 2 young people need contact, 2 new, 0 ended, visits planned for 0.\n")
    assert "- ada, visit overdue: 1 person, since 13 March 2026\n- ben, plan review: 1 person" in letter.body
    assert f"https://contact.example.gov.uk/a/{letter.ref}" in letter.body
    assert "p1" not in letter.body


def test_without_a_provider_of_emails_by_text(weekly: Callable[..., World]) -> None:
    world = weekly(staff=[*everybody(), member("demo:ada", manager_ref="demo:mia", email="ada@example.gov.uk")])
    world.read(old())
    world.go_to(at(MONDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "mia"]
    assert world.mail.ledger == []


def test_on_leave_gets_none_and_the_managers_counts_the_same_people(weekly: Callable[..., World]) -> None:
    world = weekly(staff=[*everybody(), member("demo:ada", manager_ref="demo:mia", absence=LEAVE, cover_ref="demo:ben")])
    world.read(old())
    world.go_to(at(NEXT_MONDAY, "08:00"))
    assert weeklies(world) == [("mia", "This week: 1 young person needs contact, 1 new, 0 ended, visits planned for 0.")]


def test_a_manager_on_leave_is_counted_for_by_theirs(weekly: Callable[..., World]) -> None:
    world = weekly(staff=[*everybody(), member("demo:mia", "manager", manager_ref="demo:sam", absence=LEAVE)])
    world.read(old())
    world.go_to(at(MONDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "sam"]


def test_people_without_adviser_are_their_teams_managers(weekly: Callable[..., World]) -> None:
    world = weekly()
    world.read(old(adviser_ref=None))
    world.go_to(at(MONDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["mia"]


def test_on_the_first_later_day_that_both_work(weekly: Callable[..., World]) -> None:
    staff = [*everybody(), member("demo:ada", manager_ref="demo:mia", works=["wed", "thu"])]
    world = weekly(staff=staff, council={"closed": [MONDAY]})
    world.read(old())
    world.go_to(at(MONDAY, "18:00"))
    assert weeklies(world) == []
    world.go_to(at(TUESDAY, "09:00"))
    assert [who for who, _ in weeklies(world)] == ["mia"]
    world.go_to(at(MONDAY + timedelta(days=2), "09:00"))
    assert [who for who, _ in weeklies(world)] == ["mia", "ada"]
    world.go_to(at(NEXT_MONDAY, "08:00"))
    assert len(weeklies(world)) == 2


def test_after_a_bank_holiday(weekly: Callable[..., World]) -> None:
    easter = date(2026, 4, 6)
    world = weekly(now=at(easter, "07:00"))
    world.read(alert(detected_at=at(easter - timedelta(days=4))))
    world.go_to(at(easter, "23:00"))
    assert weeklies(world) == []
    world.go_to(at(easter + timedelta(days=1), "09:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "mia"]


def test_by_the_clock_at_half_past_eight_too(weekly: Callable[..., World]) -> None:
    world = weekly(ladder={"calendar": "always"})
    world.read(old())
    world.go_to(at(MONDAY, "08:29"))
    assert weeklies(world) == []
    world.go_to(at(MONDAY, "08:31"))
    assert [who for who, _ in weeklies(world)] == ["ada", "mia"]


def test_a_restart_on_the_day_makes_no_second_one(weekly: Callable[..., World]) -> None:
    world = weekly()
    world.read(old())
    world.go_to(at(MONDAY, "09:00"))
    world.wire()
    world.read(old("p2"))
    world.go_to(at(MONDAY, "12:00"))
    assert [who for who, _ in weeklies(world)] == ["ada", "mia"]


def test_down_in_the_morning_it_is_made_up_for_and_down_all_day_it_is_not(weekly: Callable[..., World]) -> None:
    world = weekly()
    world.read(old())
    world.after(hours=1)
    world.clock.instant = at(MONDAY, "14:00")
    world.work()
    assert len(weeklies(world)) == 2
    world.clock.instant = at(NEXT_MONDAY + timedelta(days=1), "09:00")
    world.work()
    world.go_to(at(NEXT_MONDAY + timedelta(days=6), "09:00"))
    assert len(weeklies(world)) == 2


def test_none_where_the_ladder_has_none(make_world: Callable[..., World]) -> None:
    world = make_world(now=BEFORE)
    world.read(old())
    world.go_to(at(MONDAY, "12:00"))
    assert weeklies(world) == []


def test_in_trial_it_is_held_but_for_who_is_allowed_and_counts_what_trial_held(weekly: Callable[..., World]) -> None:
    world = weekly(notifier_trial="on", notifier_trial_allow=NUMBERS["demo:mia"])
    one = old()
    world.read(one)
    world.go_to(at(MONDAY, "09:00"))
    assert weeklies(world) == [("mia", "This week: 1 young person needs contact, 1 new, 0 ended, visits planned for 0.")]
    assert story(world.notifications(one))[:2] == ["1 held: trial", "weekly held: trial"]


def test_every_alert_of_it_has_its_record(weekly: Callable[..., World]) -> None:
    world = weekly()
    one, two = old("p1"), old("p2")
    world.read(one, two)
    world.go_to(at(MONDAY, "09:00"))
    told = [each for each in world.notifications(one) if each.step == "weekly" and each.recipient_ref == "demo:ada"]
    assert [each.state for each in told] == ["sending", "accepted"]
    assert set(told[0].alert_ids) == {one.alert_id, two.alert_id}
    assert told[0].template == "weekly"
