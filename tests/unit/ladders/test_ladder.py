"""Calendar and ladder arithmetic. Instants in London time unless they say otherwise."""
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepintouch.calendar import LONDON, is_working_day
from keepintouch.ladders.ladder import Calendar, Delay, Ladder, Step, Target, Unit, is_open, later, next_open, opening_after
from tests.unit.notifier.world import at

HOURS, ALWAYS = Calendar.WORKING_HOURS, Calendar.ALWAYS
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
DELAYS = st.builds(Delay, st.integers(0, 60), st.sampled_from(list(Unit)))


@pytest.mark.parametrize(("start", "delay", "end"), [
    (at(date(2026, 3, 10), "09:01"), "0d", at(date(2026, 3, 10), "09:01")),
    (at(date(2026, 3, 10), "09:01"), "1wd", at(date(2026, 3, 11), "09:01")),
    (at(date(2026, 3, 13), "17:59"), "1wd", at(date(2026, 3, 16), "17:59")),                 # over a weekend
    (at(date(2026, 4, 2), "09:01"), "1wd", at(date(2026, 4, 7), "09:01")),                   # over Easter
    (at(date(2026, 12, 24), "12:00"), "2wd", at(date(2026, 12, 30), "12:00")),               # Boxing Day's substitute too
    (at(date(2026, 3, 10), "00:05"), "1wd", at(date(2026, 3, 11), "08:30")),                 # never before opening
    (at(date(2026, 3, 28), "12:00"), "1d", at(date(2026, 3, 29), "12:00")),                  # clocks go forward
    (at(date(2026, 10, 24), "12:00"), "1w", at(date(2026, 10, 31), "12:00")),                # and back
    (at(date(2026, 3, 28), "12:00"), "24h", at(date(2026, 3, 29), "13:00")),                 # hours are elapsed time
    (at(date(2026, 3, 10), "09:01"), "30min", at(date(2026, 3, 10), "09:31")),
    (at(date(2026, 3, 10), "09:01"), "90s", at(date(2026, 3, 10), "09:02") + timedelta(seconds=30)),
])
def test_a_delay_ends(start: datetime, delay: str, end: datetime) -> None:
    assert later(start, Delay.parse(delay), HOURS) == end


def test_a_working_day_delay_by_a_calendar_without_hours_keeps_the_time_of_day() -> None:
    assert later(at(date(2026, 3, 10), "00:05"), Delay.parse("1wd"), ALWAYS) == at(date(2026, 3, 11), "00:05")


@pytest.mark.parametrize(("moment", "opens"), [
    (at(date(2026, 3, 10), "08:30"), at(date(2026, 3, 10), "08:30")),
    (at(date(2026, 3, 10), "17:59"), at(date(2026, 3, 10), "17:59")),
    (at(date(2026, 3, 10), "18:00"), at(date(2026, 3, 11), "08:30")),
    (at(date(2026, 3, 10), "08:29"), at(date(2026, 3, 10), "08:30")),
    (at(date(2026, 3, 13), "18:00"), at(date(2026, 3, 16), "08:30")),
    (at(date(2026, 4, 3), "10:00"), at(date(2026, 4, 7), "08:30")),      # Good Friday
    (at(date(2026, 3, 28), "10:00"), at(date(2026, 3, 30), "08:30")),    # the clocks go forward on the Sunday
])
def test_the_next_opening(moment: datetime, opens: datetime) -> None:
    assert next_open(moment, HOURS) == opens
    assert next_open(moment, ALWAYS) == moment


@given(INSTANTS, DELAYS, st.sampled_from(list(Calendar)))
def test_a_delay_never_goes_back(start: datetime, delay: Delay, calendar: Calendar) -> None:
    end = later(start, delay, calendar)
    assert end >= start
    assert end.tzinfo is UTC
    longer = later(start, Delay(delay.count + 1, delay.unit), calendar)
    assert longer >= end
    assert Delay.parse(str(delay)) == delay


@given(INSTANTS)
def test_the_next_opening_is_open_and_nothing_before_it_is(moment: datetime) -> None:
    opens = next_open(moment, HOURS)
    assert is_open(opens, HOURS)
    assert next_open(opens, HOURS) == opens
    if opens > moment:
        assert opens.astimezone(LONDON).time() == time(8, 30)
        assert not is_open(opens - timedelta(seconds=1), HOURS)
    assert is_working_day(opens.astimezone(LONDON).date())
    assert opening_after(moment, HOURS).astimezone(LONDON).date() > moment.astimezone(LONDON).date()


@given(st.lists(st.tuples(DELAYS, st.sets(st.sampled_from(list(Target)), min_size=1)), min_size=1, max_size=6))
def test_a_ladder_survives_being_stored(steps: list[tuple[Delay, set[Target]]]) -> None:
    made = tuple(Step(str(n), delay, tuple(sorted(to))) for n, (delay, to) in enumerate(steps, 1))
    ladder = Ladder(HOURS, made, made[:1])
    assert Ladder.from_json(ladder.to_json()) == ladder
