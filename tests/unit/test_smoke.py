"""The smoke test's council must be as it should be, and its alerts are never taken for another's."""
from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from keepintouch.cli import app
from keepintouch.councils import Councils
from keepintouch.runtime.errors import UserError
from keepintouch.smoke import RULE, GatewayDoor, StageFailed, Traces, _judged, check_council
from schemas.alerts import Alert
from schemas.notifications import Notification
from schemas.staff import Staff

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "watch-it.md"
REF, CHANGELOG = "smoke-test:abc", "contact-monitor-people-changelog"


def shown() -> dict[str, Any]:
    """The councils file as the page shows it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = next(yaml.safe_load(block) for block in blocks if "smoke-test" in block)
    return found


def test_the_council_that_the_page_shows_will_do() -> None:
    check_council(Councils.model_validate(shown()), "councils.yaml")


@pytest.mark.parametrize(("change", "said"), [
    ({"channels": {"sms": ["twilio"]}}, "channels: should be"), ({"policy": "lancashire"}, "the policy standard_8_week"),
    ({"feeds": ["visits"]}, "no feeds"), ({"fallback": "smoke-test:other"}, "the fallback smoke-test:duty")])
def test_what_is_wrong_with_it_is_said(change: dict[str, Any], said: str) -> None:
    raw = copy.deepcopy(shown())
    raw["councils"]["smoke-test"] |= change
    with pytest.raises(UserError, match=said):
        check_council(Councils.model_validate(raw), "councils.yaml")


def test_without_it_or_with_working_hours_it_does_not_begin() -> None:
    raw = copy.deepcopy(shown())
    raw["ladders"][raw["councils"]["smoke-test"]["ladder"]]["calendar"] = "working_hours"
    with pytest.raises(UserError, match="calendar: always"):
        check_council(Councils.model_validate(raw), "councils.yaml")
    raw["councils"]["other"] = raw["councils"].pop("smoke-test") | {"fallback": "other:duty"}
    with pytest.raises(UserError, match="is not there"):
        check_council(Councils.model_validate(raw), "councils.yaml")


@pytest.mark.parametrize(("answer", "said"), [
    (httpx.Response(200, text="<title>Sign in</title>"), "answers 200: <title>Sign in"),
    (httpx.Response(200, text="[]"), r"answers 200: \[\]"),
    (httpx.Response(202, json={"accepted": 0, "refused": 1}), "answers 202")])
def test_only_the_gateways_own_word_is_taken_for_an_acknowledgement(answer: httpx.Response, said: str) -> None:
    member = Staff(worker_ref="smoke-test:a", council="smoke-test", role="adviser", name="A", channels=[], active=True)
    with httpx.Client(base_url="https://intake.example", transport=httpx.MockTransport(lambda request: answer)) as client, \
            pytest.raises(StageFailed, match=said):
        GatewayDoor(client).staff(member)


@pytest.mark.parametrize(("address", "key", "said"), [
    ("intake.example", "", "--intake should be"), ("http://[::1", "", "--intake should be"),
    ("https://intake.example", "kit_é", "SMOKE_INTAKE_KEY should be")])
def test_what_can_be_no_address_and_no_key_is_one_line(
        address: str, key: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "councils.yaml").write_text(yaml.safe_dump(shown()), encoding="utf-8")
    monkeypatch.setenv("SMOKE_INTAKE_KEY", key)
    done = CliRunner().invoke(app, ["smoke", "--intake", address, "--councils", str(tmp_path / "councils.yaml")])
    assert isinstance(done.exception, UserError), done.output
    assert said in str(done.exception)


def note(state: str, reason: str | None = None) -> Notification:
    """What became of a message."""
    return Notification.model_validate({
        "notification_id": "n", "alert_ids": ["6b67ff31-06c0-5bd3-a50b-7eff7cf3bf2b"], "step": "1", "state": state,
        "at": "2026-03-02T09:00:00Z", "reason": reason}, strict=False)


@pytest.mark.parametrize(("state", "reason", "runbook"), [
    ("held", "nobody", "FallbackUnresolvable"), ("failed", "refused", "ChannelFailing"), ("held", "storm", "ChannelFailing")])
def test_where_nobody_was_told_there_is_a_runbook(state: str, reason: str, runbook: str) -> None:
    with pytest.raises(StageFailed) as failed:
        _judged(note(state, reason))
    assert failed.value.runbook == runbook
    assert (ROOT / "docs" / "runbooks" / f"{runbook}.md").is_file()


def test_only_the_live_alert_that_is_waited_for_counts() -> None:
    record = {"alert_id": "6b67ff31-06c0-5bd3-a50b-7eff7cf3bf2b", "person_ref": REF, "council": "smoke-test", "rule": RULE,
              "standard": "a/b/1", "status": "open", "sequence": 1, "severity": "critical", "anchor_on": "2026-01-01",
              "due_on": "2026-02-26", "opens_on": "2026-03-02", "policy": {"id": "a", "version": "1"}, "mode": "live",
              "detail": {"written_since_anchor": 0, "attempts_since_anchor": 0, "strangers_only": False}, "evidence": [],
              "detected_at": "2026-03-02T09:00:00Z"}
    traces = Traces(REF, CHANGELOG)
    for other in ({"person_ref": "smoke-test:abd"}, {"mode": "backfill"}, {"rule": "no_adviser"}):
        traces.take("care.alerts.v1", b"k", Alert.model_validate(record | other, strict=False).model_dump_json().encode())
        assert traces.alert is None
    traces.take("care.alerts.v1", b"k", Alert.model_validate(record, strict=False).model_dump_json().encode())
    assert traces.alert is not None
    key = str(record["alert_id"]).encode()
    for state in ("sending", "uncertain"):
        traces.take("care.notifications.v1", key, note(state).model_dump_json().encode())
        assert traces.told is None
    traces.take("care.notifications.v1", key, note("delivered").model_dump_json().encode())
    assert traces.told is not None
