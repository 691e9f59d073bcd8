"""From an alert's record to texts, through everything but Kafka and HTTP."""
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from schemas.staff import Absence
from services.notifier import tables
from services.notifier.book import Erased, Outcome
from services.notifier.channels import NotSent
from tests.unit.notifier.world import NUMBERS, TUESDAY, World, alert, at, ended, everybody, member, story

WEDNESDAY, THURSDAY, FRIDAY = (TUESDAY + timedelta(days=n) for n in (1, 2, 3))
NEXT_TUESDAY = TUESDAY + timedelta(days=7)
LINK = "https://contact.example.gov.uk/a/"


def test_the_ladder_goes_up_step_by_step(world: World) -> None:
    one = alert()
    world.read(one)
    world.work()
    assert world.texts() == []   # it is gathered first
    world.go_to(at(NEXT_TUESDAY, "12:00"))
    assert world.told() == ["ada", "ada", "mia", "sam"]
    released = [sent.created_at for sent in world.provider.ledger]
    first = at(TUESDAY, "09:01")
    assert released == [first, at(WEDNESDAY, "09:02"), at(THURSDAY, "09:02"), at(NEXT_TUESDAY, "09:02")]
    assert [told.step for told in world.notifications() if told.state == "accepted"] == ["1", "2", "3", "4"]
    texts = world.texts()
    assert texts[0] == (f"1 young person needs contact. Ref {world.ref(0)}. {LINK}{world.ref(0)} "
                        f"Reply 1 {world.ref(0)}: on it (or 2: seen, 3: not mine, 4: refused)")
    assert "1 told before" in texts[1]
    assert texts[2].startswith("1 young person in your team needs contact.")


def test_one_message_for_all_that_falls_due_within_the_gathering(world: World) -> None:
    world.read(alert("p1"), alert("p1", rule="plan_review"), alert("p2"))
    world.after(seconds=40)
    world.read(alert("p3", detected_at=world.clock.now()))
    world.after(minutes=5)
    assert len(world.texts()) == 1
    assert world.texts()[0].startswith("3 young people need contact.")
    told = [each for each in world.notifications() if each.state == "accepted"]
    assert {len(each.alert_ids) for each in told} == {4}
    assert len({each.notification_id for each in told}) == 1


def test_reading_the_same_records_again_changes_nothing(world: World) -> None:
    world.read(alert())
    world.after(minutes=5)
    before = len(world.notifications())
    assert world.read(alert()) == {Outcome.CHANGED: 1}
    world.after(minutes=5)
    assert world.told() == ["ada"]
    assert len(world.notifications()) == before


def test_a_stale_record_is_ignored_and_one_of_equal_sequence_replaces(world: World) -> None:
    one = alert(sequence=3)
    world.read(one)
    assert world.read(ended(one).model_copy(update={"sequence": 2})) == {Outcome.STALE: 1}
    assert world.read(one.model_copy(update={"adviser_ref": "demo:ben"})) == {Outcome.CHANGED: 1}
    world.after(minutes=5)
    assert world.told() == ["ben"]


def test_what_ends_before_its_release_is_never_texted(world: World) -> None:
    one = alert()
    world.read(one)
    world.work()
    world.read(ended(one))
    world.go_to(at(NEXT_TUESDAY))
    assert world.texts() == []
    assert story(world.notifications(one)) == ["1 dropped: ended"]


def test_held_outside_working_hours_then_checked_again(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(TUESDAY, "20:00"))
    one, two = alert("p1", detected_at=at(TUESDAY, "20:00")), alert("p2", detected_at=at(TUESDAY, "20:00"))
    world.read(one, two)
    world.work()
    assert story(world.notifications(one)) == ["1 held: outside_hours"]
    world.go_to(at(WEDNESDAY, "07:00"))
    assert world.texts() == []
    world.read(ended(one))
    world.go_to(at(WEDNESDAY, "10:00"))
    assert len(world.texts()) == 1
    assert world.texts()[0].startswith("1 young person needs contact. 1 cleared. Ref ")
    assert world.provider.ledger[0].created_at == at(WEDNESDAY, "08:31")
    assert story(world.notifications(one)) == ["1 held: outside_hours", "1 dropped: ended"]


def test_everything_due_at_opening_is_one_release_over_a_weekend(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(FRIDAY, "18:00"))
    for hours in range(0, 56, 7):
        world.after(hours=7)
        world.read(alert(f"p{hours}", detected_at=world.clock.now()))
    monday = FRIDAY + timedelta(days=3)
    world.go_to(at(monday, "09:30"))
    assert len(world.texts()) == 1
    assert world.texts()[0].startswith("8 young people need contact.")


def test_a_critical_alert_goes_to_adviser_and_manager_within_a_second(world: World) -> None:
    world.read(alert("p1"))
    world.after(seconds=20)
    world.read(alert("p2", severity="critical", detected_at=world.clock.now()))
    world.after(seconds=2)
    assert sorted(world.told()) == ["ada", "mia"]
    assert world.texts("demo:ada")[0].startswith("2 young people need contact, 1 urgent.")   # took along what was gathered
    assert world.texts("demo:mia")[0].startswith("1 young person in your team needs contact, 1 urgent.")


def test_a_rise_to_critical_gets_the_critical_step_once(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    worse = one.model_copy(update={"severity": "critical", "sequence": 2})
    world.read(worse)
    world.after(minutes=5)
    assert sorted(world.told()) == ["ada", "ada", "mia"]
    world.read(worse.model_copy(update={"sequence": 3, "severity": "high"}), worse.model_copy(update={"sequence": 4}))
    world.after(minutes=5)
    assert len(world.told()) == 3


def test_adviser_on_leave_cover_hears_with_the_hop_recorded(make_world: Callable[..., World]) -> None:
    leave = Absence.model_validate({"from": date(2026, 3, 9), "until": date(2026, 3, 20), "cover_ref": "demo:ben"})
    world = make_world(staff=[*everybody(), member("demo:ada", manager_ref="demo:mia", absence=leave)])
    one = alert()
    world.read(one)
    world.after(minutes=5)
    assert world.told() == ["ben"]
    assert "1 sending: adviser absent, to cover" in story(world.notifications(one))


def test_who_does_not_work_today_is_waited_for(make_world: Callable[..., World]) -> None:
    world = make_world(staff=[*everybody(), member("demo:ada", manager_ref="demo:mia", works=["wed", "thu"])])
    one = alert()
    world.read(one)
    world.after(hours=5)
    assert world.texts() == []
    assert story(world.notifications(one)) == ["1 held: not_working"]
    world.go_to(at(WEDNESDAY, "09:00"))
    assert world.told() == ["ada"]


def test_a_cover_named_meanwhile_takes_it_at_once(make_world: Callable[..., World]) -> None:
    world = make_world(staff=[*everybody(), member("demo:ada", manager_ref="demo:mia", works=["wed"])])
    world.read(alert())
    world.after(hours=1)
    world.staff(member("demo:ada", manager_ref="demo:mia", works=["wed"], cover_ref="demo:ben"))
    world.after(minutes=5)
    assert world.told() == ["ben"]


def test_nobody_can_be_reached_then_somebody_can(make_world: Callable[..., World]) -> None:
    world = make_world(staff=[])
    one = alert()
    world.read(one)
    world.after(hours=1)
    assert story(world.notifications(one)) == ["1 held: nobody"]
    world.staff(member("demo:duty", "duty"))
    world.after(minutes=5)
    assert world.told() == ["duty"]


def test_acknowledged_by_text_the_ladder_holds_five_working_days(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    heard, answer = world.hear(NUMBERS["demo:ada"], f"1 {world.ref().lower()}")
    assert heard == "acted"
    assert answer == (f"Thank you. {world.ref()}: on it. "
                      "If contact is still needed on Tue 17 Mar at 09:05, you will be told again.")
    assert [(each.action, each.actor_ref, each.via) for each in world.actions()] == [("acknowledge", "demo:ada", "sms")]
    world.go_to(at(NEXT_TUESDAY, "08:45"))
    assert world.told() == ["ada"]
    world.go_to(at(NEXT_TUESDAY, "10:00"))
    assert world.told() == ["ada", "ada"]
    world.go_to(at(NEXT_TUESDAY + timedelta(days=1), "10:00"))   # a working day later, as if nothing had been
    assert world.told() == ["ada", "ada", "mia"]


def test_it_says_when_in_london_time_and_keeps_to_it_though_the_clocks_change(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(date(2026, 3, 27), "09:00"))
    world.read(alert(detected_at=world.clock.now()))
    world.after(minutes=5)
    _, answer = world.hear(NUMBERS["demo:ada"], f"1 {world.ref()}")
    assert answer is not None
    assert answer.endswith("on Tue 7 Apr at 09:05, you will be told again.")   # Easter is no working day either
    world.go_to(at(date(2026, 4, 7), "09:04"))
    assert world.told() == ["ada"]
    world.go_to(at(date(2026, 4, 7), "09:07"))
    assert world.told() == ["ada", "ada"]


def test_nobody_but_a_manager_can_keep_the_manager_from_hearing(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    world.act(one, "plan_visit", until=date(2026, 6, 1))
    world.go_to(at(date(2026, 3, 24), "08:45"))
    assert world.told() == ["ada"]
    world.go_to(at(date(2026, 3, 24), "10:00"))   # ten working days after the first release
    assert world.told() == ["ada", "mia"]
    assert [each.reason for each in world.notifications(one) if each.state == "dropped"] == []


def test_a_manager_may_hold_for_longer(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    world.act(one, "snooze", "demo:mia", until=date(2026, 4, 15))
    world.go_to(at(date(2026, 4, 14), "17:00"))
    assert world.told() == ["ada"]
    world.go_to(at(date(2026, 4, 15), "09:00"))
    assert world.told() == ["ada", "ada"]


def test_not_mine_goes_to_the_manager_at_once_who_then_stands_for_the_adviser(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    assert world.hear(NUMBERS["demo:ada"], f"3 {world.ref()}")[0] == "acted"
    world.after(minutes=5)
    assert world.told() == ["ada", "mia"]
    world.go_to(at(WEDNESDAY, "12:00"))
    assert world.told() == ["ada", "mia", "mia"]
    assert "2 sending: adviser handed_on, to manager" in story(world.notifications(one))


def test_an_action_read_before_its_alert_counts(world: World) -> None:
    one = alert()
    world.act(one, "acknowledge")
    world.read(one)
    world.go_to(at(WEDNESDAY, "12:00"))
    assert world.texts() == []


def test_backfill_texts_nobody_but_one_summary_for_each_manager(world: World) -> None:
    first = [alert(f"p{n}", mode="backfill") for n in range(30)]
    world.read(*first)
    world.after(seconds=8)
    world.read(alert("q1", mode="backfill"), alert("q2", mode="backfill", adviser_ref="demo:ben"))
    world.after(seconds=8)
    assert world.texts() == []
    world.after(seconds=3)
    world.after(minutes=2)
    assert world.told() == ["mia"]
    assert world.texts()[0].startswith("First look at the records: 32 young people need contact. Advisers were not texted.")
    assert "Reply" not in world.texts()[0]
    world.go_to(at(NEXT_TUESDAY))
    assert world.told() == ["mia"]
    assert story(world.notifications(first[0]))[0] == "backfill held: backfill"


def test_the_quiet_before_a_summary_is_that_of_the_council_not_of_one_instance(world: World) -> None:
    world.read(alert("p0", mode="backfill"))
    for person in range(1, 4):   # another instance reads them, while this one starts again and again
        world.wire()
        world.after(seconds=8)
        assert world.texts() == []
        world.read(alert(f"p{person}", mode="backfill"))
    world.after(seconds=9)
    assert world.texts() == []
    world.wire()
    world.after(seconds=2)
    world.after(minutes=5)
    [text] = world.texts()
    assert text.startswith("First look at the records: 4 young people need contact.")


def test_in_trial_only_who_is_allowed_gets_anything(make_world: Callable[..., World]) -> None:
    world = make_world(notifier_trial="on", notifier_trial_allow=NUMBERS["demo:mia"])
    one = alert()
    world.read(one)
    world.go_to(at(THURSDAY, "12:00"))
    assert world.told() == ["mia"]
    assert story(world.notifications(one))[:2] == ["1 held: trial", "2 held: trial"]


def test_an_alert_that_opens_again_starts_its_ladder_anew(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    world.read(ended(one, "withdrawn"))
    world.go_to(at(date(2026, 4, 1), "10:00"))
    assert world.read(one.model_copy(update={"sequence": 3})) == {Outcome.OPENED: 1}
    world.after(minutes=5)
    assert world.told() == ["ada", "ada"]   # and not all the steps that would be overdue since the first time
    world.go_to(at(date(2026, 4, 2), "12:00"))
    assert world.told() == ["ada", "ada", "ada"]


def test_someone_erased_is_forgotten_and_nothing_more_is_sent(world: World) -> None:
    one = alert()
    world.read(one)
    world.after(minutes=5)
    assert world.read(Erased(str(one.alert_id))) == {Outcome.ERASED: 1}
    world.go_to(at(NEXT_TUESDAY))
    assert world.told() == ["ada"]
    for table in (tables.alert, tables.step, tables.line, tables.act):
        assert rows_of(world, table) == []


def test_someone_erased_while_a_text_about_them_waits_is_not_spoken_of(world: World) -> None:
    one, other = alert("p1"), alert("p2")
    world.provider.next(NotSent("twilio_20429", timedelta(minutes=2)))
    world.read(one, other)
    world.act(one, "review", "demo:mia")
    world.after(seconds=61)
    assert world.states() == ["pending"]
    world.read(Erased(str(one.alert_id)))
    said = len(world.notifications(one))
    world.after(minutes=5)
    assert [text.split(" Ref ")[0] for text in world.texts()] == ["1 young person needs contact."]
    assert len(world.notifications(one)) == said
    assert [str(each) for each in world.notifications(other)[-1].alert_ids] == [str(other.alert_id)]
    world.read(Erased(str(other.alert_id)))
    assert rows_of(world, tables.act) == []


def test_someone_erased_whose_alert_is_held_has_a_record_that_it_was_dropped(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(TUESDAY, "19:00"))
    one = alert()
    world.read(one)
    world.after(minutes=5)
    world.read(Erased(str(one.alert_id)))
    world.go_to(at(WEDNESDAY, "12:00"))
    assert world.told() == []
    assert story(world.notifications(one)) == ["1 held: outside_hours", "1 dropped: ended"]


def test_someone_erased_and_heard_of_again_begins_anew(world: World) -> None:
    one = alert()
    world.read(one.model_copy(update={"sequence": 4}))
    world.after(minutes=5)
    assert world.read(Erased(str(one.alert_id)), one) == {Outcome.ERASED: 1, Outcome.OPENED: 1}   # its numbers begin anew, too
    world.after(minutes=5)
    assert world.told() == ["ada", "ada"]


def rows_of(world: World, table: sa.Table) -> list[Any]:
    with world.database.read() as connection:
        return list(connection.execute(sa.select(table)).all())


def test_steps_overdue_after_downtime_go_out_in_one_release(make_world: Callable[..., World]) -> None:
    world = make_world(now=at(THURSDAY, "12:00"))
    one, two = alert("p1"), alert("p2")
    world.read(one, two)
    world.work()
    world.after(minutes=2)
    assert sorted(world.told()) == ["ada", "mia"]
    assert world.texts("demo:ada")[0].startswith("2 young people need contact.")
    for each in (one, two):   # one record of the message for each alert, though two of its steps went into it
        mine = [told for told in world.notifications(each) if told.recipient_ref == "demo:ada"]
        assert story(mine) == ["1 merged: with_later_step", "2 sending", "2 accepted"]
        assert len({told.notification_id for told in mine[1:]}) == 1
        assert set(mine[1].alert_ids) == {one.alert_id, two.alert_id}
