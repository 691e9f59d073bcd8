"""The dashboards: files and code agree, nothing is missing, every name exists, nobody can be told apart."""
from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepintouch.observe.checking import LABELS, OF_PROMETHEUS, faults, person_level
from keepintouch.observe.grafana import DASHBOARDS, SOURCE, files
from keepintouch.observe.managers import MANAGERS
from keepintouch.observe.panels import Dashboard, Panel, Query, Section
from scripts.reference import metrics

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "deploy" / "grafana"
RULES = ROOT / "deploy" / "prometheus" / "rules"


@cache
def known() -> frozenset[str]:
    """Every metric that the services' code declares, and every figure that is recorded."""
    declared = {line.split("`")[1] for line in metrics() if line.startswith("| `")}
    groups = yaml.safe_load((RULES / "figures.yml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    return OF_PROMETHEUS | declared | recorded


def shown(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard's JSON that are not titles of rows."""
    return (panel for panel in board["panels"] if panel["type"] != "row")


def only(panel: Panel) -> Dashboard:
    """A dashboard of one panel."""
    return replace(MANAGERS, sections=(Section("One", (panel,)),))


SOUND = next(MANAGERS.panels())


def test_files_are_what_the_code_says() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: run `python -m scripts.dashboards`"
    assert {path.name for path in (GRAFANA / "dashboards").iterdir()} == {path.name for path in files()}


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_nothing_is_missing_and_every_name_exists(board: Dashboard) -> None:
    assert list(faults(board, known())) == []


@pytest.mark.parametrize(("change", "said"), [
    ({"title": ""}, "no title"), ({"description": ""}, "no description"), ({"unit": ""}, "no unit"),
    ({"may_be_empty": " "}, "does not say why"), ({"matrix": ("rule", "state")}, "rows and columns"),
    ({"queries": (Query('sum by (person_ref) (board_people_known)', "x"),)}, "person_ref"),
    ({"queries": (Query('board_people_known{worker="a"}', "x"),)}, "worker"),
    ({"queries": (Query("board_people_known", "{{adviser}}"),)}, "adviser"),
    ({"queries": (Query("board_people_knwon", "x"),)}, "no metric board_people_knwon"),
    ({"queries": (Query("council:people_in_tuch:ratio", "x"),)}, "no metric council:people_in_tuch:ratio")])
def test_what_is_wrong_is_noticed(change: dict[str, Any], said: str) -> None:
    found = list(faults(only(replace(SOUND, **change)), known()))
    assert len(found) == 1
    assert said in found[0]
    assert not list(faults(only(SOUND), known()))


def test_a_metric_that_is_renamed_is_noticed() -> None:
    """Whichever it is: every name that a panel uses is looked for."""
    for name in sorted(name for name in known() - OF_PROMETHEUS if any(name in text for text in files().values())):
        assert any(name in fault for board in DASHBOARDS for fault in faults(board, known() - {name})), name


def test_every_metric_is_on_a_dashboard_or_in_a_rule_or_said_to_be_for_neither() -> None:
    used = "".join(files().values()) + "".join(path.read_text() for path in RULES.glob("*.yml"))
    for_neither = {
        "contact_monitor_caught_up", "contact_monitor_records_let_go_total", "intake_posts_under_way",
        "intake_dead_letters_total", "intake_staff_total", "notifier_answers_withheld_total",
        "notifier_published_total", "notifier_records_total",
        "intake_feed_complete_through_timestamp_seconds"}
    assert {name for name in known() if not re.search(rf"(?<![\w:]){name}(?:_bucket|_count|_sum)?(?![\w:])", used)} == for_neither


def test_no_metric_has_a_label_that_could_name_a_person() -> None:
    rows = (line.split("|") for line in metrics() if line.startswith("| `"))
    assert person_level(label for row in rows for label in re.findall(r"`([a-z_0-9]+)`", row[3])) == []
    assert not LABELS & {"person_ref", "worker_ref", "adviser_ref", "adviser", "person", "alert_id", "case_id", "name"}


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    """promtool reads them as rules."""
    exprs = [query.expr.replace("$window", "5m") for board in DASHBOARDS for panel in board.panels() for query in panel.queries]
    rules = tmp_path / "panels.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{place}:query", "expr": expr} for place, expr in enumerate(exprs)]}]}))
    done = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", files().values(), ids=[path.stem for path in files()])
def test_panels_do_not_overlap_and_their_ids_differ(text: str) -> None:
    board = json.loads(text)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in board["panels"]):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_grafana_finds_source_and_files_where_compose_puts_them() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "keep-in-touch.yml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    volumes = [volume.split(":")[:2] for volume in compose["grafana"]["volumes"]]
    assert "prometheus" in compose
    assert source["uid"] == SOURCE
    assert source["url"] == "http://prometheus:9090"
    assert ["./deploy/grafana/dashboards", provider["options"]["path"]] in volumes
    assert ["./deploy/grafana/provisioning", "/etc/grafana/provisioning"] in volumes
    for text in files().values():
        assert all(target["datasource"]["uid"] == SOURCE for panel in shown(json.loads(text)) for target in panel["targets"])


def test_runbooks_that_are_named_exist() -> None:
    there = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    named = {name for board in DASHBOARDS for panel in board.panels() if "unbook" in panel.description
             for name in re.findall(r"\b[A-Z][a-z]+[A-Z][A-Za-z]+\b", panel.description)}
    assert len(named) >= 10
    assert named <= there
