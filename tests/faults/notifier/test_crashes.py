"""A notifier that is killed between any two effects: nobody is forgotten, and nobody told twice."""
from __future__ import annotations

from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import Stage, adviser
from tests.faults.notifier.worker import IMPATIENT, Point
from tests.standins.twilio import Behaviour
from tests.unit.notifier.world import member

pytestmark = MARKS

_STAFF = (Point.STAFF_NOT_KEPT, Point.STAFF_KEPT)
_ASKING = (Point.ASKED_NOT_WRITTEN, Point.ASKED)
_LOOKING = tuple(each for each in Point if each.startswith("look_for"))


def test_killed_between_any_two_effects_it_loses_and_doubles_nothing(stage: Stage) -> None:
    """What each leaves undone is the next one's, which is killed too."""
    for number, point in enumerate(Point):
        stage.twilio.calls_back = () if point in (*_ASKING, *_LOOKING) else ("sent", "delivered")
        of = 1 + number % 10
        if point in _LOOKING:   # however quick those before were, there is something to look for
            stage.twilio.next_to(stage.numbers[adviser(of)], Behaviour.TIME_OUT_AFTER_ACCEPTING)
        if point in _STAFF:   # something new is to be known of somebody
            stage.write(member(adviser(40), mobile=stage.numbers[adviser(40)], manager_ref=("demo:sam", "demo:duty")[number % 2]))
        stage.open(of, ("1", adviser(of)), ("2", "demo:mia"))
        stage.start(at=point, more=IMPATIENT)
        stage.crew.await_death("a")
    stage.twilio.finish()
    stage.start(more=IMPATIENT)
    verdict = stage.end()
    assert verdict.good, verdict
