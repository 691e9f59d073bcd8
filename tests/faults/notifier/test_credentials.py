"""Credentials are changed, withdrawn or wrong: the channel stops at once, and goes on without a start."""
from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.notifier import gates
from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser
from tests.faults.notifier.worker import WAITS
from tests.processes import until
from tests.standins import notify as by_notify
from tests.standins.notify import NotifyStandIn
from tests.standins.twilio import TOKEN

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP)]


@pytest.fixture
def files(stage: Stage) -> Path:
    """The folder of secrets."""
    folder = stage.folder / "secrets"
    folder.mkdir()
    return folder


def test_a_token_is_changed_without_a_start_and_the_old_one_proves_nothing_any_more(stage: Stage, files: Path) -> None:
    (files / "TWILIO_AUTH_TOKEN").write_text(TOKEN)
    stage.start(more={"SECRETS_DIR": str(files), "TWILIO_AUTH_TOKEN": ""})
    stage.open(1)
    sent, following = stage.only_text(1), "the following token"
    assert stage.twilio.call_back(sent, "sent", token=following) == 403
    (files / "TWILIO_AUTH_TOKEN_SECONDARY").write_text(following)
    until(lambda: stage.twilio.call_back(sent, "sent", token=following) == 204)   # while it is being changed both are believed
    assert stage.twilio.call_back(sent, "sent") == 204
    stage.twilio.token = following   # from here on it does not let in with the old one
    for of in range(2, 6):
        stage.open(of)
    until(lambda: stage.metric("notifier_channel_stopped") == 1)
    since = time.monotonic()
    refused = stage.metric("notifier_attempts_total", outcome="refused")
    stage.open(6)
    until(lambda: stage.rows("SELECT count(*) FROM message") == [(6,)])
    more = stage.metric("notifier_attempts_total", outcome="refused") - refused
    assert more <= 1 + (time.monotonic() - since) / WAITS[gates]["FIRST_WAIT"]   # one try now and then
    (files / "TWILIO_AUTH_TOKEN_SECONDARY").unlink()
    (files / "TWILIO_AUTH_TOKEN").write_text(following)
    until(lambda: all(stage.texts(of) for of in range(2, 7)))
    until(lambda: stage.metric("notifier_channel_stopped") == 0)
    assert stage.metric("notifier_attempts_total", outcome="uncertain") == 0
    assert stage.twilio.call_back(sent, "delivered", token=TOKEN) == 403
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


def test_what_is_written_wrongly_changes_nothing_and_is_said(stage: Stage, files: Path) -> None:
    (files / "TWILIO_AUTH_TOKEN").write_text(TOKEN)
    stage.start(more={"SECRETS_DIR": str(files), "TWILIO_AUTH_TOKEN": ""})
    (files / "TWILIO_AUTH_TOKEN").write_text("")
    until(lambda: "credentials_not_renewed" in stage.crew.said("a"))
    stage.open(1)
    stage.only_text(1)
    (files / "TWILIO_AUTH_TOKEN").write_bytes(b"\xff")
    until(lambda: stage.crew.said("a").count("credentials_not_renewed") > 1)
    stage.open(2)
    stage.only_text(2)
    stage.twilio.finish()
    verdict = stage.end()
    assert verdict.good, verdict


@pytest.mark.stage(ladder=ONE_STEP, channels={"sms": ["notify"]})
def test_notify_refuses_for_the_clock_and_for_a_key_that_was_withdrawn(stage: Stage, files: Path) -> None:
    with NotifyStandIn() as notify:
        (files / "NOTIFY_API_KEY").write_text(notify.key)
        stage.start(more=notify.environment | {"SECRETS_DIR": str(files), "NOTIFY_API_KEY": ""})
        notify.next(*[by_notify.Behaviour.CLOCK] * 2)
        first = stage.open(1)
        until(lambda: stage.metric("notifier_channel_stopped") == 1)
        until(lambda: "accepted" in stage.story(first))   # the clock has been put right
        assert len(notify.requests) == 3
        notify.key = notify.key[:-1] + "0"
        alerts = [stage.open(2), stage.open(3)]
        until(lambda: stage.metric("notifier_channel_stopped") == 1)
        (files / "NOTIFY_API_KEY").write_text(notify.key)
        until(lambda: all("accepted" in stage.story(one) for one in alerts))
        assert {tuple(stage.story(one)) for one in [first, *alerts]} == {("sending", "accepted")}
        assert sorted(sent.to for sent in notify.ledger) == sorted(stage.numbers[adviser(of)] for of in (1, 2, 3))
        until(lambda: stage.metric("notifier_channel_stopped") == 0)
