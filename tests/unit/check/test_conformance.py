"""Every conformance case, read by check: the same alerts and the same headlines as the case expects of `evaluate`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepintouch.calendar import london_day
from keepintouch.check.analysis import analyse
from keepintouch.check.measures import Measure
from keepintouch.check.reading import from_events
from keepintouch.standards.policy_file import load_policy

CASES = Path(__file__).parents[2] / "conformance"


ALL = {path.stem[:3]: json.loads(path.read_text(encoding="utf-8")) for path in (CASES / "cases").glob("*.json")}
OF_ONE_RUN = sorted(name for name, case in ALL.items() if "events" in case and "refused" not in case)
"""Check has no earlier run to go on from."""


@pytest.mark.parametrize("name", OF_ONE_RUN)
def test_a_case(name: str, tmp_path: Path) -> None:
    case = ALL[name]
    events = tmp_path / "events.jsonl"
    events.write_text("".join(f"{event if isinstance(event, str) else json.dumps(event)}\n" for event in case["events"]))
    now = datetime.fromisoformat(case["as_of"]).astimezone(UTC)
    policy = load_policy(str(CASES / "policies" / case["policy"]))
    report = analyse(from_events(events, now), policy, london_day(now))
    found = sorted((one.ref, alert.rule, alert.anchor_on.isoformat(), alert.alert_id, alert.standard_id, alert.severity,
                    alert.due_on.isoformat(), alert.opens_on.isoformat()) for one in report.subjects for alert in one.alerts)
    assert found == [(line["person_ref"], line["rule"], line["anchor_on"], line["alert_id"], line["standard"], line["severity"],
                      line["due_on"], line["opens_on"]) for line in case["expect"] if line["kind"] == "alert"]
    people = {line["person_ref"]: line for line in case["expect"] if line["kind"] == "person" and line["in_scope"]}
    assert {one.ref for one in report.subjects} == set(people)
    for one in report.subjects:
        line = people[one.ref]
        assert (one.holds[Measure.IN_TOUCH], one.holds[Measure.MEANINGFUL]) == (line["in_touch"], line["meaningful"])
        assert list(one.unknown) == line["unknown"]
