"""deploy/kubernetes: valid for the versions in use, closed, and in agreement with the services."""
from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from keepintouch.councils import load_councils
from keepintouch.runtime.access import load_access
from tests.unit.deploy.rendered import Document, containers, rendered
from tests.unit.deploy.told import ROOT, SERVICES, knows, port_variable

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir())


@pytest.fixture(params=[KUBERNETES / "base", *OVERLAYS], ids=lambda folder: folder.name)
def found(request: pytest.FixtureRequest) -> list[Document]:
    """The documents of a folder."""
    return rendered(request.param)


def deployments(found: list[Document]) -> dict[str, Document]:
    return {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "Deployment"}


@pytest.mark.parametrize(("folder", "version"), [(KUBERNETES / "base", "1.31"), *((overlay, "1.35") for overlay in OVERLAYS)],
                         ids=lambda each: each if isinstance(each, str) else each.name)
def test_valid_for_the_oldest_and_the_newest_version(folder: Path, version: str) -> None:
    for document in rendered(folder):
        kubernetes_validate.validate(document, version, strict=True)


def test_there_is_one_of_each_and_all_of_it_is_used() -> None:
    base = KUBERNETES / "base"
    listed = {path.name for path in base.iterdir()} - {"kustomization.yaml"}
    assert {*yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]} == listed
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(base)]
    assert len(names) == len(set(names))


def test_every_container_is_closed_and_bounded(found: list[Document]) -> None:
    for document in found:
        if document["kind"] in ("Deployment", "Job"):
            pod = document["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            given = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]} == given
    for container in containers(found):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"]
        assert not [each for each in container["env"] if each["name"].endswith(("PASSWORD", "TOKEN", "SECRET", "DATABASE_URL"))]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_run_as_its_code_says(found: list[Document], service: str) -> None:
    name = service.replace("_", "-")
    pod = deployments(found)[name]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", f"services.{service}"]
    told = {each["name"]: each.get("value") for each in container["env"]}
    assert not {variable for variable in told if not knows(service, variable)}
    assert told[port_variable(service)] == str(SERVICES[service])
    assert container["ports"] == [{"name": "http", "containerPort": SERVICES[service]}]
    assert [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")] == [
        {"path": "/healthz", "port": "http"}, {"path": "/readyz", "port": "http"}]
    assert told["KAFKA_SASL_USERNAME"] in {principal.name for principal in load_access()}
    assert {"name": "secrets", "secret": {"secretName": name, "defaultMode": 0o440}} in pod["volumes"]


def test_the_operators_command_line_is_there_when_asked_for(found: list[Document]) -> None:
    spec = deployments(found)["operator"]
    assert spec["replicas"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert {"name": "KAFKA_SASL_USERNAME", "value": "operator"} in container["env"]
    assert "council-keys" not in str(spec)   # who runs it does not learn who a ref is
    (databases,) = (each["spec"] for each in found if each["metadata"]["name"] == "databases")
    assert "operator" in databases["podSelector"]["matchExpressions"][0]["values"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
@pytest.mark.parametrize("folder", [KUBERNETES / "base", *OVERLAYS], ids=lambda folder: folder.name)
def test_kustomize_makes_of_it_what_is_tested_here(folder: Path) -> None:
    """But for the names of generated maps, which it ends with a hash, and the labels it adds."""
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr

    def plain(documents: Iterable[Document]) -> list[str]:
        text = [yaml.safe_dump(_without(each, "labels"), sort_keys=True) for each in documents]
        return sorted(re.sub(r"\b(name: councils)-[a-z0-9]{10}\b", r"\1", each) for each in text)

    assert plain(yaml.safe_load_all(made.stdout)) == plain(rendered(folder))


def _without(document: Any, key: str) -> Any:
    if isinstance(document, dict):
        return {name: _without(value, key) for name, value in document.items() if name != key}
    return [_without(each, key) for each in document] if isinstance(document, list) else document


def test_shared_settings_are_read_by_some_service(found: list[Document]) -> None:
    (data,) = (each["data"] for each in found if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "settings"))
    unknown = {variable for variable in data if not any(knows(service, variable) for service in SERVICES)}
    assert unknown == {"KAFKA_ADMIN_BOOTSTRAP_SERVERS"}   # for the job that makes topics


def test_services_budgets_and_policies_name_what_is_there(found: list[Document]) -> None:
    labels = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
              for each in found if each["kind"] in ("Deployment", "Job")}
    assert all(name == label for name, label in labels.items())

    def selected(selector: dict[str, Any]) -> set[str]:
        one = selector.get("matchLabels", selector if "matchExpressions" not in selector else {}).get("app.kubernetes.io/name")
        return {value for each in selector.get("matchExpressions", []) for value in each["values"]} | ({one} if one else set())

    for document in found:
        spec = document.get("spec", {})
        for key in ("selector", "podSelector"):
            assert selected(spec.get(key, {})) <= set(labels.values()), document["metadata"]["name"]
    budgets = {name for each in found if each["kind"] == "PodDisruptionBudget" for name in selected(each["spec"]["selector"])}
    assert budgets == set(deployments(found)) - {"operator"}
    (closed,) = (each["spec"] for each in found if each["metadata"]["name"] == "nothing-by-default")
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlays_councils_can_be_read(overlay: Path) -> None:
    """And the monitor never has more replicas than there are partitions."""
    assert load_councils(overlay / "councils.yaml").slugs
    found = rendered(overlay)
    (partitions,) = (int(each["value"]) for container in containers(found) for each in container["env"]
                     if each["name"] == "PARTITIONS")
    assert deployments(found)["contact-monitor"]["replicas"] <= partitions
    assert all(":" in container["image"].rpartition("/")[2] for container in containers(found))
