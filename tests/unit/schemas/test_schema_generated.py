"""What is generated from the models agrees with them, is the same every time, and stands on its own."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from schemas.catalogue import DATA_KINDS, KINDS, TOPICS
from schemas.generate import ASYNCAPI, EXAMPLES, REFERENCE, ROOT, SCHEMAS, differing, generated, main

FILES = generated()
JSON_SCHEMAS = {kind.name: json.loads(FILES[SCHEMAS / f"{kind.name}.schema.json"]) for kind in KINDS}
WITH_DEFAULT = {"datacontenttype", "possible_duplicate", "works"}


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every field with its path and whether it is required, those of objects inside too."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field, name in schema["required"]
        for part in (field, *field.get("anyOf", ())):
            yield from fields(part, f"{path}{name}.")


def test_the_checked_in_files_agree_with_the_models() -> None:
    assert differing(ROOT, FILES) == []


@pytest.mark.parametrize("seed", ["1", "2"])
def test_they_come_out_the_same_every_time(seed: str) -> None:
    done = subprocess.run([sys.executable, "-m", "schemas.generate", "--check"], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONUTF8": "0", "LC_ALL": "C"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_names_what_differs_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    stale, missing, left_over = (SCHEMAS / f"care.{name}.schema.json" for name in ("visit.v1", "audit.v1", "fax.v1"))
    (tmp_path / stale).write_text("{}\n")
    (tmp_path / missing).unlink()
    (tmp_path / left_over).write_text("{}\n")
    assert main(["--check"], tmp_path) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        REFERENCE.as_posix(), *sorted(path.as_posix() for path in (stale, missing, left_over))]
    assert (tmp_path / left_over).exists()
    assert main([], tmp_path) == 0
    assert not (tmp_path / left_over).exists()
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", JSON_SCHEMAS)
def test_a_schema_is_good_in_both_drafts_and_refers_to_nothing(name: str) -> None:
    schema = JSON_SCHEMAS[name]
    Draft7Validator.check_schema(schema)
    Draft202012Validator.check_schema(schema)
    assert '"$ref"' not in json.dumps(schema)
    assert schema["$id"] == f"urn:keep-in-touch:schema:{name}"


@pytest.mark.parametrize("name", JSON_SCHEMAS)
def test_every_field_says_what_it_means(name: str) -> None:
    silent = [path for path, field, _ in fields(JSON_SCHEMAS[name]) if not any(
        "description" in part for part in (field, *field.get("anyOf", ()), field.get("items", {})))]
    assert silent == []


@pytest.mark.parametrize("name", JSON_SCHEMAS)
def test_what_may_be_null_may_be_left_out_and_nothing_else(name: str) -> None:
    for path, field, required in fields(JSON_SCHEMAS[name]):
        nullable = {"type": "null"} in field.get("anyOf", ())
        if path.rpartition(".")[2] in WITH_DEFAULT:
            assert "default" in field
            assert not required
        else:
            assert required != nullable, path


@pytest.mark.parametrize("name", JSON_SCHEMAS)
def test_unknown_fields_are_left_to_readers_to_ignore(name: str) -> None:
    assert '"additionalProperties"' not in json.dumps(JSON_SCHEMAS[name])


def test_the_reference_has_every_topic_message_and_field() -> None:
    page = FILES[REFERENCE]
    for topic in TOPICS:
        assert f"\n## {topic.name}\n" in page
    for kind in KINDS:
        assert f"({os.path.relpath(ROOT / SCHEMAS, (ROOT / REFERENCE).parent)}/{kind.name}.schema.json)" in page
        if kind in DATA_KINDS or not kind.name.endswith(".cloudevent"):
            assert [path for path, _, _ in fields(JSON_SCHEMAS[kind.name]) if f"\n| `{path}` |" not in page] == []


def test_links_of_the_reference_lead_somewhere() -> None:
    page = FILES[REFERENCE]
    targets = {part.partition(")")[0] for part in page.split("](")[1:]}
    headings = {line.lstrip("# ").lower().replace(" ", "-").replace(".", "")
                for line in page.splitlines() if line.startswith("#")}
    for target in targets:
        assert target[1:] in headings if target.startswith("#") else ((ROOT / REFERENCE).parent / target).exists(), target


def test_nothing_generated_names_this_machine() -> None:
    assert [path for path, text in FILES.items() if str(ROOT) in text] == []


def test_topics_are_kept_as_they_are_declared() -> None:
    declared = yaml.safe_load((ROOT / "deploy/kafka/topics.yaml").read_text("utf-8"))["topics"]
    assert {topic.name for topic in TOPICS} == {name for name in declared if "{" not in name}
    for topic in TOPICS:
        config = declared[topic.name]["config"]
        assert config["cleanup.policy"] == topic.cleanup
        assert config.get("retention.ms") == (None if topic.retention_days is None else f"{topic.retention_days}d"), topic.name


def test_asyncapi_shows_the_usual_example_of_each_message() -> None:
    usual = json.loads((ROOT / EXAMPLES / "care.staff.v1/valid-usual.json").read_text("utf-8"))
    assert usual["email"] in FILES[ASYNCAPI]
