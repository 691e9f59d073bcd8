"""When a provider may be called again."""
from datetime import timedelta

from services.notifier.gates import FIRST_WAIT, LONGEST_WAIT, Gates

PLACE, OTHER = ("demo", "sms", "twilio"), ("demo", "email", "twilio")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()


def test_who_wants_to_be_left_alone_is_left_alone_for_so_long_and_then_everybody_may_call() -> None:
    clock = Clock()
    gates = Gates(clock)
    gates.leave_alone(PLACE, timedelta(seconds=7))
    gates.leave_alone(PLACE, timedelta(seconds=3))   # another answer, which asks for less
    assert not gates.enter(PLACE)
    assert gates.enter(OTHER)
    assert gates.opens_in(PLACE) == timedelta(seconds=7)
    clock.wait(timedelta(seconds=7))
    assert gates.opens_in(PLACE) == timedelta()
    assert gates.enter(PLACE)
    assert gates.enter(PLACE)


def test_after_a_fault_one_call_at_a_time_is_let_through_ever_more_rarely_until_one_goes_well() -> None:
    clock = Clock()
    gates = Gates(clock)
    assert gates.fault(PLACE)
    assert not gates.fault(PLACE)   # under way at the same time
    waits = []
    for _ in range(7):
        waits.append(gates.opens_in(PLACE))
        clock.wait(waits[-1])
        assert gates.enter(PLACE)
        assert not gates.enter(PLACE)
        assert not gates.fault(PLACE)
    assert waits == [FIRST_WAIT * n for n in (1, 2, 4, 8)] + [LONGEST_WAIT] * 3
    assert gates.works(PLACE)
    assert not gates.works(PLACE)
    assert gates.enter(PLACE)
    assert gates.fault(PLACE)
    assert gates.opens_in(PLACE) == FIRST_WAIT


def test_with_another_configuration_it_is_tried_at_once_and_not_by_all() -> None:
    clock = Clock()
    gates = Gates(clock)
    gates.fault(PLACE)
    gates.leave_alone(OTHER, timedelta(minutes=1))
    gates.try_again()
    assert gates.enter(PLACE)
    assert not gates.enter(PLACE)
    assert not gates.enter(OTHER)
    assert gates.works(PLACE)


def test_being_asked_to_wait_does_not_mend_a_fault() -> None:
    clock = Clock()
    gates = Gates(clock)
    gates.fault(PLACE)
    gates.leave_alone(PLACE, timedelta(hours=1))
    assert gates.opens_in(PLACE) == timedelta(hours=1)
    clock.wait(timedelta(hours=1))
    assert gates.enter(PLACE)
    assert not gates.enter(PLACE)
