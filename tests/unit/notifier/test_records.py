"""What is read from the topics: whatever somebody writes there, the service goes on."""
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import pytest

from keepintouch.acceptance import Refused
from schemas.actions import AlertAction
from schemas.alerts import Alert, alert_id
from services.notifier.directory import Worker
from services.notifier.records import read_action, read_alert
from tests.unit.notifier.world import World, alert, member

DEMO = frozenset({"demo"})


@dataclass(frozen=True)
class Raw:
    key: bytes | None
    value: bytes | None


def as_read(record: Alert, **more: Any) -> Any:
    fields = orjson.loads(record.model_dump_json()) | more
    return read_alert(Raw(fields["alert_id"].encode(), orjson.dumps(fields)), DEMO)


def action_as_read(**more: Any) -> Any:
    fields = {"action_id": "a1", "alert_id": str(alert().alert_id), "action": "snooze", "actor_ref": "demo:ada",
              "at": "2026-03-10T10:00:00Z", "via": "board", "until": "2026-03-12"} | more
    return read_action(Raw(fields["alert_id"].encode(), orjson.dumps(fields)), DEMO)


@pytest.mark.parametrize("more", [
    {"sequence": 2**31}, {"detected_at": "0001-01-01T00:00:00+14:00"}, {"detected_at": "9999-12-31T23:59:59-14:00"},
    {"rule": "a\0b"}, {"rule": "x" * 101}])
def test_an_alert_that_nothing_could_keep_is_refused_by_its_field(more: dict[str, Any]) -> None:
    refused = as_read(alert(), **more)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail.partition(":")[0]) == ("schema", next(iter(more)))


@pytest.mark.parametrize("more", [{"at": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31"}, {"action_id": "a\0"}])
def test_an_action_that_nothing_could_keep_is_refused_by_its_field(more: dict[str, Any]) -> None:
    refused = action_as_read(**more)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail.partition(":")[0]) == ("schema", next(iter(more)))


def test_what_is_odd_but_can_be_kept_stops_nothing(world: World) -> None:
    odd: list[dict[str, Any]] = [
        {"detected_at": "1900-01-01T00:00:00+14:00"}, {"detected_at": "8999-12-31T23:59:59-14:00"}, {"due_on": "9999-12-31"},
        {"sequence": 2**31 - 1}, {"rule": "\U0001f600" * 100}, {"team_ref": ""}, {"adviser_ref": None, "team_ref": None},
        {"team_ref": "t\0"}, {"team_ref": "x" * 101}]
    for number, more in enumerate(odd):
        ref = f"demo:odd{number}"
        read = as_read(alert(), person_ref=ref, alert_id=str(alert_id(ref, "r", "2026-01-05")), **more)
        assert isinstance(read, Alert)
        world.read(read)
    one = alert()
    world.read(one)
    for action in ("snooze", "plan_visit", "acknowledge", "not_mine", "refused"):
        for when in ("1900-01-01", "8999-12-31"):
            read = action_as_read(action=action, at=f"{when}T12:00:00Z", until=when)
            assert isinstance(read, AlertAction)
            world.act(one, action, at=read.at, until=date.fromisoformat(when))
    world.after(minutes=5)
    assert "ada" in world.told()


@pytest.mark.parametrize("address", ["nobody", "a b@example.gov.uk", "a@example.gov.uk\r\nBcc: b@example.gov.uk", "a\0@b.uk",
                                     "a@b@c.uk", f"a@{'x' * 300}.uk"])
def test_an_address_that_is_none_counts_as_none(address: str) -> None:
    assert Worker.of(member("demo:ada", email=address)).email is None
    assert Worker.of(member("demo:ada", email="a.b+c@example.gov.uk")).email == "a.b+c@example.gov.uk"
