"""What `kustomize build` would make of our folders: as much of it as they use, so that no binary is needed."""
from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
_USED = {"apiVersion", "kind", "namespace", "labels", "resources", "images", "configMapGenerator", "patches", "replicas"}


def rendered(folder: Path) -> list[Document]:
    """The documents of a kustomization; a patch, image or count for what is not there is an error."""
    given = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert given.keys() <= _USED, f"not understood here: {given.keys() - _USED}"
    found: list[Document] = []
    for name in given["resources"]:
        path = folder / name
        found += rendered(path) if path.is_dir() else documents(path)
    for made in given.get("configMapGenerator", []):
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]},
                      "data": {name: (folder / name).read_text() for name in made["files"]}})
    for patch in given.get("patches", []):
        for document in documents(folder / patch["path"]):
            _merge(_one(found, document["kind"], document["metadata"]["name"]), document)
    for count in given.get("replicas", []):
        _one(found, "Deployment", count["name"])["spec"]["replicas"] = count["count"]
    for image in given.get("images", []):
        using = [each for each in containers(found) if each["image"] == image["name"]]
        assert using, image
        for container in using:
            container["image"] = f"{image['newName']}:{image['newTag']}"
    for document in found:
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = given["namespace"]
    return found


def documents(path: Path) -> list[Document]:
    """The documents of one file."""
    return [deepcopy(document) for document in yaml.safe_load_all(path.read_text()) if document]


def containers(found: list[Document]) -> list[Document]:
    """Every container."""
    return [container for document in found if document["kind"] in ("Deployment", "Job")
            for container in document["spec"]["template"]["spec"]["containers"]]


def _one(found: list[Document], kind: str, name: str) -> Document:
    (document,) = (each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return document


def _merge(into: Document, patch: Document) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif key == "containers":
            for container in value:
                _merge(next(each for each in into[key] if each["name"] == container["name"]), container)
        else:
            into[key] = deepcopy(value)
