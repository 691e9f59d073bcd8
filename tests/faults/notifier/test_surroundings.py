"""The clock is wrong, Kafka is gone, credentials are revoked."""
from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepintouch.runtime.local_broker import LocalBroker
from services.notifier import gates
from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser, staff
from tests.faults.notifier.verdict import Verdict, ref_of
from tests.faults.notifier.worker import SHIFT, WAITS
from tests.processes import until
from tests.standins.notify import NotifyStandIn
from tests.standins.twilio import Behaviour
from tests.unit.notifier.world import member

pytestmark = MARKS

HOURS = 3600
ACROSS: dict[str, object] = {"calendar": "always", "steps": [
    {"after": "0s", "to": ["adviser"]}, {"after": "1d", "to": ["manager"]}, {"after": "24h", "to": ["service_manager"]}]}
SLOW: dict[str, object] = {
    "calendar": "always", "steps": [{"after": "0s", "to": ["adviser"]}, {"after": "12h", "to": ["manager"]}]}


@pytest.mark.stage(ladder=SLOW)
def test_a_clock_that_jumps_doubles_nothing_and_is_not_believed_too_early(stage: Stage) -> None:
    shift = stage.folder / "shift"
    shift.write_text("0")
    stage.start(more={SHIFT: str(shift)})
    wrong_by = 0
    for of, behaviour, hours in ((1, Behaviour.TIME_OUT_AFTER_ACCEPTING, 2), (2, Behaviour.TIME_OUT_AFTER_ACCEPTING, -2),
                                 (3, Behaviour.RESET, 2), (4, Behaviour.ACCEPT, 0)):
        stage.twilio.next_to(stage.numbers[adviser(of)], behaviour)
        before = len(stage.twilio.requests)
        one = stage.open(of, detected_at=datetime.now(UTC) + timedelta(hours=wrong_by))   # the others' clock is as wrong
        until(lambda before=before: len(stage.twilio.requests) > before)   # type: ignore[misc]
        wrong_by = hours
        set_clock(shift, wrong_by)   # in the middle of the call
        until(lambda one=one: "accepted" in stage.story(one))   # type: ignore[misc]
    assert stage.texts("demo:mia") == []
    set_clock(shift, 24)
    until(lambda: stage.texts("demo:mia"))
    over(stage)


@pytest.mark.stage(ladder=ACROSS)
@pytest.mark.parametrize(("noon", "then"), [("2026-03-28T12:00:00Z", {"demo:mia": 23, "demo:sam": 24}),
                                            ("2026-10-24T11:00:00Z", {"demo:sam": 24, "demo:mia": 25})], ids=["spring", "autumn"])
def test_where_the_clocks_change_a_day_is_one_in_london_and_24_hours_are_24(
        stage: Stage, noon: str, then: dict[str, int]) -> None:
    shift, at = stage.folder / "shift", datetime.fromisoformat(noon)
    back = (at - datetime.now(UTC)).total_seconds() / HOURS
    set_clock(shift, back)
    stage.start(more={SHIFT: str(shift)})
    stage.open(1, ("1", adviser(1)), ("2", "demo:mia"), ("3", "demo:sam"), detected_at=at)
    stage.only_text(1)
    for ref, hours in then.items():
        set_clock(shift, back + hours - 0.5)
        looked = time.time() + 0.5
        until(lambda looked=looked: stage.metric(   # type: ignore[misc]
            "notifier_loop_heartbeat_timestamp_seconds", loop="release") > looked)
        assert stage.texts(ref) == []
        set_clock(shift, back + hours + 0.1)
        stage.only_text(ref)
    over(stage)


@pytest.mark.stage(ladder=ONE_STEP)
def test_who_left_leads_to_their_manager_when_the_topic_has_forgotten_them(
        stage: Stage, make_topics: Callable[..., object]) -> None:
    """As after compaction: not even the tombstone is left. Their manager is not that of the alert's team."""
    kim = member("demo:kim", "manager", mobile="+447700900804", team_ref="south")
    stage.numbers["demo:kim"] = "+447700900804"
    stage.write(kim, member(adviser(1), mobile=stage.numbers[adviser(1)], manager_ref="demo:kim"))
    stage.start()
    assert stage.crew.stop("a") == 0
    stage.close()
    make_topics(partitions=2)
    stage.write(kim, *(each for each in staff() if each.worker_ref != adviser(1)))
    for name in ("a", "b"):   # and as often as one starts
        stage.start(name)
        one = stage.open(1, ("1", "demo:kim"))
        until(lambda one=one: "accepted" in stage.story(one))   # type: ignore[misc]
        assert stage.crew.stop(name) == 0
    stage.start()
    over(stage)


@pytest.mark.stage(ladder=SLOW)
def test_what_was_told_yesterday_and_is_told_again_changes_nothing(stage: Stage) -> None:
    shift = stage.folder / "shift"
    shift.write_text("0")
    stage.start(more={SHIFT: str(shift)})
    one = stage.open(1)
    sent = stage.only_text(1)
    until(lambda: "accepted" in stage.story(one))
    for status in ("sent", "delivered"):
        assert stage.twilio.call_back(sent, status) == 204
    answer = stage.reply(sent, f"1 {ref_of(sent.body)}", sid="IN1")
    assert "on it" in answer[1]
    set_clock(shift, 24)
    noted = stage.metric("notifier_callbacks_total", result="nothing_new")
    again = [("delivered", None), ("sent", None), ("queued", None), ("undelivered", 30006), ("delivered", None)]
    for status, code in again:
        assert stage.twilio.call_back(sent, status, code) == 204
    assert stage.reply(sent, f"1 {ref_of(sent.body)}", sid="IN1") == answer
    assert stage.metric("notifier_callbacks_total", result="nothing_new") == noted + len(again)
    assert stage.metric("notifier_replies_total", outcome="repeated") == 1
    stage.open(2, detected_at=datetime.now(UTC) + timedelta(hours=24))   # and it goes on with its work
    stage.only_text(2)
    assert stage.story(one) == ["sending", "accepted", "sent", "delivered"]
    assert stage.texts("demo:mia") == []
    assert stage.rows("SELECT count(*) FROM act") == [(1,)]
    over(stage)
    assert len(stage.read("care.alert-actions.v1")) == 1


def test_while_kafka_is_killed_what_is_due_goes_out_and_is_published_later(stage: Stage, broker: LocalBroker) -> None:
    stage.start()
    one = stage.open(1, ("1", adviser(1)), ("2", "demo:mia"))
    stage.only_text(1)
    until(lambda: "accepted" in stage.story(one))
    stage.close()
    broker.kill()
    try:
        sent = stage.only_text("demo:mia")
        assert "on it" in stage.reply(sent, f"1 {ref_of(sent.body)}", sid="IN1")[1]
    finally:
        broker.start()
    until(lambda: stage.read("care.alert-actions.v1"))
    for of in range(2, 30):
        stage.open(of, ("1", adviser(of)))
    until(lambda: all(stage.texts(of) for of in range(2, 30)))
    until(lambda: stage.unread() == 0)   # it has caught up, by what Kafka says and by what it says itself
    until(lambda: stage.metric("notifier_lag_records") == 0)
    over(stage)


@pytest.mark.stage(ladder=ONE_STEP)
def test_let_in_no_longer_it_stops_at_once_and_goes_on_when_it_is_again(stage: Stage) -> None:
    stage.start()
    stage.twilio.locked_out = True
    for of in range(1, 9):
        stage.open(of)
    until(lambda: stage.metric("notifier_channel_stopped"))
    since = time.monotonic()
    asked = len(stage.twilio.requests)
    stage.open(9)
    until(lambda: stage.rows("SELECT count(*) FROM message") == [(9,)])
    more = len(stage.twilio.requests) - asked
    assert more <= 1 + (time.monotonic() - since) / WAITS[gates]["FIRST_WAIT"]   # one try now and then
    stage.twilio.locked_out = False
    over(stage)
    assert stage.twilio.ledger


@pytest.mark.stage(ladder=ONE_STEP, channels={"sms": ["twilio", "notify"]})
def test_a_second_provider_sends_what_the_first_definitely_did_not_and_nothing_else(stage: Stage) -> None:
    with NotifyStandIn() as notify:
        stage.start(more=notify.environment)
        stage.twilio.next_to(stage.numbers[adviser(1)], Behaviour.ERROR_500)   # who knows
        stage.twilio.next_to(stage.numbers[adviser(2)], Behaviour.TIME_OUT_AFTER_ACCEPTING)
        in_doubt = [stage.open(1), stage.open(2)]
        until(lambda: all("accepted" in stage.story(one) for one in in_doubt))
        assert notify.ledger == []
        stage.twilio.close_door()
        unsent = stage.open(3)
        until(lambda: "accepted" in stage.story(unsent))
        assert [sent.to for sent in notify.ledger] == [stage.numbers[adviser(3)]]
        stage.twilio.listen()
    assert len(stage.twilio.ledger) == 2
    assert len({ref_of(body) for body in [*(one.body for one in stage.twilio.ledger), *(one.body for one in notify.ledger)]}) == 3


def set_clock(shift: Path, hours: float) -> None:
    """The clock of the notifier is wrong by so much from here on."""
    fresh = shift.with_name("shift.new")
    fresh.write_text(str(hours * HOURS))
    fresh.replace(shift)


def over(stage: Stage) -> Verdict:
    """All is well in the end."""
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict
    return verdict
