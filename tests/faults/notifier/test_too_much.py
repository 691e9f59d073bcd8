"""All at once there is too much. Each with a notifier of its own: another in its group would have half of the alerts."""
from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser
from tests.faults.notifier.verdict import ref_of
from tests.processes import until
from tests.unit.notifier.world import member

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP, people=60, limits={"storm_alerts": 20, "storm_share": 0.2})]


def test_a_storm_waits_for_a_person_and_nothing_of_it_is_lost(stage: Stage) -> None:
    """As when a council's records stop coming: far more opens at once than ever does."""
    alerts = [stage.alert(1 + number % 8) for number in range(40)]
    stage.write(*alerts)
    stage.start()   # what is there at a start is one release
    asked = stage.only_text("demo:sam")
    until(lambda: all(stage.story(one, "1") == ["held"] for one in alerts))
    assert not [stage.texts(of) for of in range(1, 9) if stage.texts(of)]
    assert stage.reply(asked, f"9 {ref_of(asked.body)}", sid="IN1", sender=stage.numbers[adviser(1)])[0] == 200
    assert stage.reply(asked, f"9 {ref_of(asked.body)}", sid="IN2")[0] == 200
    for number, one in enumerate(alerts):
        stage.expect(one, ("1", adviser(1 + number % 8)))
    until(lambda: all(stage.texts(of) for of in range(1, 9)))
    assert [len(stage.texts(of)) for of in range(1, 9)] == [1] * 8
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


@pytest.mark.stage(ladder=ONE_STEP)
def test_very_many_at_once_are_one_text_to_each_the_critical_first_and_nobody_gets_more_than_they_may(stage: Stage) -> None:
    """5,000 alerts open at once for 200 advisers. Twenty times the same words in an hour, and networks would drop them."""
    crowd = {f"demo:c{number}": f"+4477008{number:05}" for number in range(200)}
    stage.numbers |= crowd
    stage.write(*(member(ref, mobile=mobile, manager_ref="demo:mia") for ref, mobile in crowd.items()))
    refs = sorted(crowd)
    alerts = [stage.alert(1, adviser_ref=refs[number % 200], severity="critical" if number % 200 > 189 else "high")
              for number in range(5_000)]
    stage.write(*alerts)
    stage.start(more={"NOTIFIER_GATHER": "20", "NOTIFIER_HOURLY_CAP": "1"})
    for one in alerts:
        assert one.adviser_ref is not None
        stage.expect(one, ("1", one.adviser_ref))
    until(lambda: len(stage.twilio.ledger) == 200, 240)
    assert {sent.to for sent in stage.twilio.ledger[:10]} == {crowd[ref] for ref in refs[190:]}
    assert {sent.body.split()[0] for sent in stage.twilio.ledger} == {"25"}
    assert max(Counter((sent.to, sent.body) for sent in stage.twilio.ledger).values()) == 1
    stage.twilio.finish()
    stage.settle()
    verdict = stage.judge()
    assert verdict.good, verdict
    assert verdict.texts == 200
    late = stage.alert(1, adviser_ref=refs[0])   # what is over the limit waits, and says so
    stage.write(late)
    until(lambda: stage.story(late) == ["held"])
    assert len(stage.texts(refs[0])) == 1
