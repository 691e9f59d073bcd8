"""When steps fall due, given what people have done."""
from datetime import date, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from keepintouch.ladders.ladder import Calendar, Delay, Ladder, Step, Target, Unit, later
from keepintouch.ladders.schedule import LONGEST_HOLD, Act, PassedOver, Schedule, schedule
from tests.unit.notifier.world import TUESDAY, at

ADVISER, MANAGER, SERVICE = Target.ADVISER, Target.MANAGER, Target.SERVICE_MANAGER


def wd(count: int) -> Delay:
    return Delay(count, Unit.WORKING_DAY)


LADDER = Ladder(Calendar.WORKING_HOURS, (
    Step("1", Delay(0, Unit.DAY), (ADVISER,)), Step("2", wd(1), (ADVISER,)), Step("3", wd(2), (MANAGER,)),
    Step("4", wd(5), (SERVICE,))), (Step("critical", Delay(0, Unit.DAY), (ADVISER, MANAGER)),))
OPENED = at(TUESDAY, "09:00")
RELEASED = {"1": at(TUESDAY, "09:01")}


def on(day: int, clock: str = "09:01") -> datetime:
    return at(date(2026, 3, day), clock)


def act(action: str, when: datetime, until: date | None = None, *, manager: bool = False) -> Act:
    return Act(f"{action}{when}", action, when, until, manager)


def days(found: Schedule) -> dict[str, datetime]:
    return {due.step.key: due.at for due in found.due}


def test_steps_count_from_the_first_release() -> None:
    before = schedule(LADDER, OPENED, None, [], {})
    assert days(before) == {"1": on(10, "09:00"), "2": on(11, "09:00"), "3": on(12, "09:00"), "4": on(17, "09:00")}
    after = schedule(LADDER, OPENED, None, [], {"1": on(11)})
    assert days(after) == {"1": on(11), "2": on(12), "3": on(13), "4": on(18)}


def test_an_acknowledgement_lapses_after_five_working_days_and_the_rest_keeps_its_distance() -> None:
    found = schedule(LADDER, OPENED, None, [act("acknowledge", on(10, "15:00"))], RELEASED)
    assert days(found) == {"1": on(10), "2": on(17, "15:00"), "3": on(18, "15:00"), "4": on(23, "15:00")}
    assert found.held_until == on(17, "15:00")


def test_a_hold_that_ends_before_the_next_step_moves_nothing() -> None:
    found = schedule(LADDER, OPENED, None, [act("snooze", on(10, "15:00"), date(2026, 3, 11))], RELEASED)
    assert days(found)["2"] == on(11)


def test_a_planned_visit_holds_until_the_day_after_and_only_once() -> None:
    acts = [act("plan_visit", on(10, "10:00"), date(2026, 3, 12)), act("plan_visit", on(12, "10:00"), date(2026, 3, 18))]
    found = schedule(LADDER, OPENED, None, acts, RELEASED)
    assert days(found)["2"] == on(13, "00:00")   # and goes out at that day's opening
    assert days(found)["3"] == on(16, "08:30")


def test_a_hold_cut_short_brings_the_manager_whatever_stands_before() -> None:
    found = schedule(LADDER, OPENED, None, [act("snooze", on(10, "10:00"), date(2026, 6, 1))], RELEASED)
    assert days(found) == {"1": on(10), "3": on(24), "4": on(27)}
    assert found.passed_over == {"2": PassedOver.MANAGER_FIRST}
    assert found.held_until == on(24)


def test_answering_again_and_again_does_not_push_that_end_further() -> None:
    acts = [act("acknowledge", on(day, "10:00")) for day in (10, 13, 17, 20, 23)]
    assert days(schedule(LADDER, OPENED, None, acts, RELEASED))["3"] == on(24)
    late = [*acts, act("acknowledge", on(24, "12:00"))]
    assert days(schedule(LADDER, OPENED, None, late, RELEASED))["3"] == on(24)


def test_a_managers_hold_may_be_longer_and_is_not_shortened_by_an_advisers() -> None:
    acts = [act("snooze", on(10, "10:00"), date(2026, 4, 20), manager=True), act("snooze", on(11, "10:00"), date(2026, 6, 1))]
    assert days(schedule(LADDER, OPENED, None, acts, RELEASED))["3"] == at(date(2026, 4, 20), "00:00")
    assert days(schedule(LADDER, OPENED, None, acts[:1], RELEASED))["2"] == at(date(2026, 4, 20), "00:00")


def test_critical_stands_instead_of_the_first_step() -> None:
    found = schedule(LADDER, OPENED, OPENED, [], {})
    assert list(days(found)) == ["critical", "2", "3", "4"]
    assert found.passed_over == {"1": PassedOver.CRITICAL}


def test_critical_later_comes_at_once_beside_the_ladder_and_whatever_hold_there_was() -> None:
    found = schedule(LADDER, OPENED, on(10, "16:00"), [act("acknowledge", on(10, "10:00"))], RELEASED)
    assert days(found)["critical"] == on(10, "16:00")
    assert days(found)["2"] == on(17, "10:00")
    held = schedule(LADDER, OPENED, on(10, "16:00"), [act("acknowledge", on(10, "17:00"))], RELEASED)
    assert days(held)["critical"] == on(17, "17:00")   # acknowledged before it went out


def test_critical_before_the_first_release_takes_the_first_steps_place() -> None:
    risen = schedule(LADDER, at(date(2026, 3, 7), "20:00"), on(8, "12:00"), [], {})
    assert "1" not in days(risen)
    assert days(risen)["critical"] == on(8, "12:00")
    out = schedule(LADDER, at(date(2026, 3, 7), "20:00"), on(8, "12:00"), [], {"critical": on(9, "08:31")})
    assert days(out)["2"] == on(10, "08:31")


def test_not_mine_goes_to_the_manager_and_the_managers_own_step_stays() -> None:
    found = schedule(LADDER, OPENED, None, [act("not_mine", on(10, "10:00"))], RELEASED)
    assert days(found)["not_mine"] == on(10, "10:00")
    assert days(found)["3"] == on(12)
    assert found.manager_stands_in


def test_a_review_changes_nothing() -> None:
    assert schedule(LADDER, OPENED, None, [act("review", on(10, "10:00"), manager=True)], RELEASED) \
        == schedule(LADDER, OPENED, None, [], RELEASED)


ACTS = st.lists(st.builds(
    lambda action, minutes, until: act(action, RELEASED["1"] + timedelta(minutes=minutes),
                                       until if action in ("snooze", "plan_visit") else None),
    st.sampled_from(["acknowledge", "seen_already", "refused", "snooze", "plan_visit", "review", "not_mine"]),
    st.integers(0, 60 * 24 * 40), st.dates(date(2026, 3, 10), date(2027, 3, 10))), max_size=12)


@given(ACTS)
def test_whatever_advisers_do_no_hold_lasts_past_ten_working_days_and_then_a_manager_hears(acts: list[Act]) -> None:
    found = schedule(LADDER, OPENED, None, acts, RELEASED)
    cap = later(RELEASED["1"], LONGEST_HOLD, LADDER.calendar)
    assert found.held_until is None or found.held_until <= cap
    # A hold that ends just before lets the next step out first, and the manager's keeps its distance from that.
    assert min(due.at for due in found.due if due.step.to_managers) <= later(cap, wd(1), LADDER.calendar)


@given(ACTS, st.randoms())
def test_the_order_in_which_actions_are_read_does_not_matter(acts: list[Act], random: Random) -> None:
    shuffled = list(acts)
    random.shuffle(shuffled)
    assert schedule(LADDER, OPENED, None, shuffled, RELEASED) == schedule(LADDER, OPENED, None, acts, RELEASED)


@given(ACTS)
def test_no_step_is_ever_lost_but_what_a_managers_step_passed_over(acts: list[Act]) -> None:
    found = schedule(LADDER, OPENED, None, acts, RELEASED)
    assert {due.step.key for due in found.due} - {"not_mine"} | set(found.passed_over) == {"1", "2", "3", "4"}
    assert set(found.passed_over) <= {"2"}
