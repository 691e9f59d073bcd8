"""What goes wrong in a council: nobody is there."""
from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.faults.notifier.scenes import MARKS
from tests.faults.notifier.stage import ONE_STEP, Stage, adviser
from tests.processes import until
from tests.unit.notifier.world import member

pytestmark = [*MARKS, pytest.mark.stage(ladder=ONE_STEP, people=60, limits={"storm_alerts": 20, "storm_share": 0.2})]

_LEAVE = {"from": str(date.today() - timedelta(days=1)), "until": str(date.today() + timedelta(days=3))}


@pytest.mark.parametrize(("record", "hears"), [
    ({"absence": _LEAVE | {"cover_ref": "demo:a30"}}, "demo:a30"), ({"absence": _LEAVE | {"cover_ref": None}}, "demo:mia"),
    ({"mobile": None}, "demo:mia"), ({"active": False}, "demo:mia"), (None, "demo:mia")],
    ids=["covered", "on leave", "no number", "left", "gone"])
def test_somebody_hears_when_the_adviser_cannot(service: Stage, of: int, record: dict[str, object] | None, hears: str) -> None:
    usual: dict[str, Any] = {"mobile": service.numbers[adviser(of)], "manager_ref": "demo:mia"}
    if record is None:
        service.write(("care.staff.v1", adviser(of).encode(), None))
    else:
        service.write(member(adviser(of), **usual | record))
    until(lambda: service.metric("notifier_records_total", topic="care.staff.v1") >= service.staff_written)
    one = service.open(of, ("1", hears))
    until(lambda: "accepted" in service.story(one))
    assert service.texts(of) == []


@pytest.mark.parametrize(("fields", "hears"), [
    ({"adviser_ref": "demo:nobody"}, "demo:mia"), ({"adviser_ref": None}, "demo:mia"),
    ({"adviser_ref": None, "team_ref": "nowhere"}, "demo:sam")], ids=["unknown", "none", "team unknown"])
def test_somebody_hears_of_who_has_no_adviser(service: Stage, fields: dict[str, object], hears: str) -> None:
    one = service.open(1, ("1", hears), **fields)
    until(lambda: "accepted" in service.story(one))
