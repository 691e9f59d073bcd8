import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from keepintouch.runtime.clock import LinearClock, ManualClock, clock_from_env, parse_clock, real_clock
from keepintouch.runtime.errors import UserError

REAL = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def seen_at(clock: LinearClock, after: timedelta) -> datetime:
    """What `clock` shows when that much real time has passed since REAL."""
    return LinearClock(clock.start, clock.real, clock.speed, source=lambda: REAL + after).now()


def test_without_a_setting_it_is_the_real_time() -> None:
    before = datetime.now(UTC)
    shown = clock_from_env({}).now()
    assert before <= shown <= datetime.now(UTC)
    assert shown.utcoffset() == timedelta(0)
    assert real_clock().real_seconds(timedelta(minutes=1)) == 60


@pytest.mark.parametrize(("spec", "shown"), [
    ("+5d", REAL + timedelta(days=5, seconds=10)), ("-3h", REAL - timedelta(hours=3) + timedelta(seconds=10)),
    ("2026-03-02T08:00:00Z*600", START + timedelta(seconds=6000)),
    ("2026-03-02T09:00:00+01:00*0.5", START + timedelta(seconds=5)),
    ("2026-03-02T08:00:00Z@2026-11-26T08:59:50Z*60", START + timedelta(seconds=1200)),
])
def test_the_three_forms_ten_seconds_after_the_process_began(spec: str, shown: datetime) -> None:
    assert seen_at(parse_clock(spec, process_start=REAL), timedelta(seconds=10)) == shown


def test_another_process_given_its_spec_shows_the_same() -> None:
    clock = parse_clock("2026-03-02T08:00:00Z*12345678.5", process_start=REAL)
    other = parse_clock(clock.spec(), process_start=REAL + timedelta(hours=7))
    assert other == clock
    assert seen_at(other, timedelta(seconds=3)) == seen_at(clock, timedelta(seconds=3))


def test_seconds_of_the_clock_become_real_ones() -> None:
    clock = parse_clock("2026-03-02T08:00:00Z*600")
    assert clock.real_seconds(timedelta(hours=1)) == 6
    assert clock.real_seconds(timedelta(hours=-1)) == 0


@pytest.mark.parametrize(("spec", "word"), [
    ("tomorrow", "cannot read"), ("+5", "duration"), ("-1y", "duration"), ("2026-03-02T08:00:00Z", "cannot read"),
    ("2026-03-02T08:00:00*600", "no offset"), ("2026-13-02T08:00:00Z*600", "not an instant"),
    ("2026-03-02T08:00:00Z*0", "stands still"), ("2026-03-02T08:00:00Z*-2", "cannot read"),
    ("2026-03-02T08:00:00Z@yesterday*2", "not an instant"),
])
def test_a_clock_that_cannot_be_read_is_one_clear_line(spec: str, word: str) -> None:
    with pytest.raises(UserError, match=word) as caught:
        clock_from_env({"KEEPINTOUCH_CLOCK": spec, "KEEPINTOUCH_DEMO": "1"})
    assert str(caught.value).startswith("KEEPINTOUCH_CLOCK: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("demo", [{}, {"KEEPINTOUCH_DEMO": "0"}, {"KEEPINTOUCH_DEMO": "yes"}])
def test_refused_outside_a_demo(demo: dict[str, str]) -> None:
    with pytest.raises(UserError, match="KEEPINTOUCH_DEMO=1"):
        clock_from_env({"KEEPINTOUCH_CLOCK": "+5d", **demo})


def test_a_start_counts_from_the_start_of_the_process() -> None:
    program = ("import time; from keepintouch.runtime.clock import clock_from_env; time.sleep(0.3);"
               "print(clock_from_env().now().isoformat())")
    env = {**os.environ, "KEEPINTOUCH_CLOCK": "2026-03-02T08:00:00Z*1000", "KEEPINTOUCH_DEMO": "1"}
    said = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout
    gone = datetime.fromisoformat(said.strip()) - START
    assert timedelta(seconds=300) <= gone < timedelta(seconds=60_000)


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(START)
    assert clock.now() == clock.now() == START
    clock.advance(timedelta(days=1))
    assert clock.now() == START + timedelta(days=1)
    assert clock.real_seconds(timedelta(seconds=5)) == 5
