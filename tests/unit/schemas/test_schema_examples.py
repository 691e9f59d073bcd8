"""The examples of each message, held against the models, against the generated JSON Schemas and against the reader."""
from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from pydantic import ValidationError

from keepintouch.acceptance import Accepted, Refused, accept_event, accept_record
from schemas.alerts import Alert, alert_id
from schemas.catalogue import EVENT_KINDS, KINDS, Kind
from schemas.dead_letters import REASONS
from schemas.generate import EXAMPLES, ROOT, SCHEMAS

NOW = datetime(2026, 8, 1, tzinfo=UTC)
FOLDER = ROOT / EXAMPLES
VALID = sorted(FOLDER.glob("*/valid-*.json"))
INVALID = sorted(FOLDER.glob("*/invalid-*.json"))
BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
VERDICTS = {None: (False, False), "refuses where formats are checked": (False, True), "accepts": (True, True)}
"""What JSON Schema says with formats checked, and without."""

FORMATS = FormatChecker(formats=["date", "uuid"])


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    """The pattern sees to the form, the calendar to the rest."""
    return not isinstance(value, str) or datetime.fromisoformat(value.upper()) is not None


@cache
def validator(name: str, formats: bool) -> Draft7Validator:
    schema = json.loads((ROOT / SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema, format_checker=FORMATS if formats else None)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def title(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def at_fault(error: ValidationError) -> str:
    """Path of the first field that pydantic names, without the branches of unions."""
    return ".".join(str(step) for step in error.errors()[0]["loc"])


def test_every_kind_has_examples_and_every_folder_a_kind() -> None:
    assert {path.parent.name for path in VALID} == BY_NAME.keys()
    assert {path.parent.name for path in INVALID} >= {name for name in BY_NAME if not name.endswith(".cloudevent")}
    assert {path.name for path in FOLDER.iterdir()} == {*BY_NAME, "README.md"}
    assert all((FOLDER / name / "valid-usual.json").exists() for name in BY_NAME)


@pytest.mark.parametrize("path", VALID, ids=title)
def test_valid_examples_are_valid_to_all(path: Path) -> None:
    value, kind = read(path), BY_NAME[path.parent.name]
    assert [error.message for error in validator(kind.name, True).iter_errors(value)] == []
    message = kind.model.model_validate_json(json.dumps(value))
    again = message.model_dump_json(by_alias=True)
    assert kind.model.model_validate_json(again) == message
    assert [error.message for error in validator(kind.name, True).iter_errors(json.loads(again))] == []
    if kind in EVENT_KINDS:
        verdict = accept_event(json.dumps(value).encode(), value["subject"].encode(), None, NOW, frozenset({"lancashire"}))
        assert isinstance(verdict, Accepted)
        assert verdict.data == message.data  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", INVALID, ids=title)
def test_invalid_examples_are_refused_for_what_they_say(path: Path) -> None:
    example, kind = read(path), BY_NAME[path.parent.name]
    value, field, says = example["value"], example["field"], example.get("json_schema")
    assert example["why"]
    assert (says == "accepts") == ("because" in example)
    for formats, accepts in zip((True, False), VERDICTS[says], strict=True):
        errors = list(validator(kind.name, formats).iter_errors(value))
        assert (not errors) == accepts
        assert accepts or any(field.startswith(".".join(map(str, error.absolute_path))) for error in errors)
    if kind in EVENT_KINDS:
        verdict = accept_event(json.dumps(value).encode(), None, None, NOW, None)
        assert isinstance(verdict, Refused)
        assert verdict.reason == example["reason"]
        assert field in verdict.detail.partition(":")[0]
        if says == "accepts":
            return
    with pytest.raises(ValidationError) as refusal:
        kind.model.model_validate_json(json.dumps(value))
    assert at_fault(refusal.value) == field


@pytest.mark.parametrize("path", [path for path in INVALID if BY_NAME[path.parent.name] not in EVENT_KINDS], ids=title)
def test_no_refusal_repeats_what_was_given(path: Path) -> None:
    """Words of the value that are in the schema anyway, as names and allowed values are, do not count."""
    example, kind = read(path), BY_NAME[path.parent.name]
    verdict = accept_record(kind.model, json.dumps(example["value"]).encode(), None, lambda message: "")
    assert isinstance(verdict, Refused)
    assert verdict.reason == "schema"
    known = json.dumps(validator(kind.name, True).schema)
    assert [text for text in texts(example["value"]) if text in verdict.detail and text not in known] == []


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) and value else []


def test_the_reasons_in_the_examples_are_reasons() -> None:
    assert {read(path)["reason"] for path in INVALID if path.parent.name.endswith(".cloudevent")} <= set(REASONS)


def test_the_alert_s_id_is_the_one_its_person_rule_and_anchor_make() -> None:
    alert = Alert.model_validate_json((FOLDER / "care.alerts.v1/valid-usual.json").read_text("utf-8"))
    assert alert.alert_id == alert_id(alert.person_ref, alert.rule, alert.anchor_on.isoformat())
