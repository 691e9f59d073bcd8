"""The rules that page and the figures that are recorded: tried by promtool, and held against metrics and runbooks."""
from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from keepintouch.runtime.ports import free_port
from keepintouch.runtime.supervisor import Child, Supervisor
from scripts.reference import metrics
from tests.processes import until
from tests.unit.deploy.rendered import rendered
from tests.unit.deploy.told import ROOT, SERVICES

PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
_NAME = re.compile(r"\b(?:board|contact_monitor|intake|notifier)_[a-z0-9_]+")
_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


def rules(name: str) -> list[dict[str, Any]]:
    """Every rule of a file."""
    return [rule for group in yaml.safe_load((PROMETHEUS / "rules" / name).read_text())["groups"] for rule in group["rules"]]


PAGES = rules("paging.yml")


def run(*command: str) -> None:
    """Run a checker; what it says is shown where it does not agree."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_rules() -> None:
    run("promtool", "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_prometheus_takes_its_configuration_in_a_cluster(tmp_path: Path) -> None:
    """Debian's is built without the discovery of pods: other targets stand in for these, and all else is checked as it is."""
    text = (PROMETHEUS / "prometheus-kubernetes.yml").read_text()
    known, changed = re.subn(r"kubernetes_sd_configs:\n.*", "static_configs: [{targets: ['127.0.0.1:9']}]", text)
    assert changed == 1
    (tmp_path / "prometheus.yml").write_text(known.replace("rules/", f"{PROMETHEUS}/rules/"))
    run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


def test_in_a_cluster_each_service_is_the_job_that_rules_ask_for() -> None:
    """Pods are found by annotations and named by a label; rules know the services by the names of the code."""
    (job,) = yaml.safe_load((PROMETHEUS / "prometheus-kubernetes.yml").read_text())["scrape_configs"]
    renamed = {each["regex"]: each["replacement"] for each in job["relabel_configs"] if each.get("source_labels") == ["job"]}
    pods = [each["spec"]["template"]["metadata"] for each in rendered(ROOT / "deploy" / "kubernetes" / "base")
            if each["kind"] == "Deployment"]
    found = {renamed.get(name := pod["labels"]["app.kubernetes.io/name"], name): int(pod["annotations"]["prometheus.io/port"])
             for pod in pods if pod.get("annotations", {}).get("prometheus.io/scrape") == "true"}
    assert found == SERVICES


def test_each_rule_fires_does_not_fire_and_resets() -> None:
    run("promtool", "test", "rules", *map(str, sorted((PROMETHEUS / "tests").glob("*.yml"))))


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    """Debian's is older than the one we ship for and knows no `url_file` of a webhook yet; all else is checked as it is."""
    text = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    assert "url_file" in text
    known = tmp_path / "alertmanager.yml"
    known.write_text(re.sub(r"url_file: .*", "url: http://127.0.0.1:9/", text))
    run("amtool", "check-config", str(known))


FOLLOWS: dict[str, list[dict[str, str]]] = {
    "contact_monitor": [{"alertname": "HeartbeatStalled", "partition": "0"}, {"alertname": "LagGrowing"}],
    "notifier": [{"alertname": "HeartbeatStalled", "loop": "send"}, {"alertname": "OutboxStuck"},
                 {"alertname": "AuditUnbalanced"}],
    "board": [{"alertname": "BoardStale"}],
    "intake": []}


@pytest.mark.slow
def test_what_follows_from_a_service_being_down_is_muted_and_what_another_does_is_not(tmp_path: Path) -> None:
    """And what is no page of ours goes to nobody. On a real Alertmanager."""
    text = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    (own := tmp_path / "alertmanager.yml").write_text(re.sub(
        r"(wait|interval): \d+[smh]", r"\1: 1s", re.sub(r"url_file: .*", "url: http://127.0.0.1:9/", text)))
    address = f"127.0.0.1:{free_port()}"
    child = Child("alertmanager", [
        "prometheus-alertmanager", f"--config.file={own}", f"--storage.path={tmp_path / 'data'}", "--cluster.listen-address=",
        f"--web.listen-address={address}"], tmp_path / "alertmanager.log", ready_url=f"http://{address}/-/ready")
    with Supervisor() as children, httpx.Client(base_url=f"http://{address}/api/v2", timeout=60) as alertmanager:
        children.start(child)
        children.wait_ready(within=120)
        for job, follows in FOLLOWS.items():
            down = {"alertname": "TargetDown", "job": job}
            fired = [down, *(labels for each in FOLLOWS.values() for labels in each)]
            post(alertmanager, fired, ends="2100-01-01T00:00:00Z", of=job)
            until(partial(are_muted, alertmanager, job, follows, len(fired)))
            post(alertmanager, fired, ends="2026-01-02T00:00:00Z", of=job)
        post(alertmanager, [{"alertname": "Other"}], ends="2100-01-01T00:00:00Z", of="other", severity="info")
        [other] = alertmanager.get("/alerts", params={"filter": 'alertname="Other"'}).json()
        assert other["receivers"] == [{"name": "nobody"}]


def post(alertmanager: httpx.Client, alerts: list[dict[str, str]], *, ends: str, of: str, severity: str = "page") -> None:
    """Alerts as Prometheus tells them."""
    alertmanager.post("/alerts", json=[{"labels": {**labels, "severity": severity, "of": of}, "endsAt": ends,
                                        "startsAt": "2026-01-01T00:00:00Z"} for labels in alerts]).raise_for_status()


def states(alertmanager: httpx.Client, of: str) -> list[tuple[dict[str, str], str]]:
    """What has become of the alerts of one round: each with the labels that the round gave it."""
    found = alertmanager.get("/alerts", params={"filter": f'of="{of}"'}).json()
    return [({name: value for name, value in each["labels"].items() if name not in ("severity", "of")}, each["status"]["state"])
            for each in found]


def are_muted(alertmanager: httpx.Client, of: str, follows: list[dict[str, str]], count: int) -> bool:
    """Whether it has dealt with all of a round, and mutes just these."""
    seen = states(alertmanager, of)
    muted = [labels for labels, state in seen if state == "suppressed"]
    return len(seen) == count and all(state != "unprocessed" for _, state in seen) and \
        sorted(muted, key=str) == sorted(follows, key=str)


@pytest.mark.parametrize("rule", PAGES, ids=lambda rule: rule["alert"])
def test_each_page_names_one_thing_and_its_runbook_and_is_tried_both_ways(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["labels"] == {"severity": "page"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    assert (RUNBOOKS / f"{name}.md").is_file()
    tried = [test["exp_alerts"] for group in yaml.safe_load((PROMETHEUS / "tests" / "paging.yml").read_text())["tests"]
             for test in group["alert_rule_test"] if test["alertname"] == name]
    fired = next(place for place, alerts in enumerate(tried) if alerts)
    assert any(not alerts for alerts in tried[fired:]), "it never resets"
    assert any(not alerts for alerts in tried[:fired]), "it always fires"


def test_every_recorded_figure_is_tried() -> None:
    tried = "".join(path.read_text() for path in (PROMETHEUS / "tests").glob("*.yml"))
    assert [rule["record"] for rule in rules("figures.yml") if f'expr: "{rule["record"]}"' not in tried] == []


def test_every_runbook_has_its_page() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"index"} == {rule["alert"] for rule in PAGES}


def test_rules_name_only_metrics_that_there_are() -> None:
    known = {line.split("`")[1] for line in metrics() if line.startswith("| `")}
    for rule in [*PAGES, *rules("figures.yml")]:
        used = set(_NAME.findall(re.sub(r"[a-z_]+:[a-z0-9_:]+", "", rule["expr"])))
        assert {_HISTOGRAM.sub("", name) if name not in known else name for name in used} <= known, rule
