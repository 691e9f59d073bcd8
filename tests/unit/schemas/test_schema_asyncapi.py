"""The AsyncAPI document: of the form that AsyncAPI 3.0 asks for, with references that lead somewhere and examples that hold.

AsyncAPI's own JSON Schema is published for JavaScript only. `FORM` allows the part of it that is used here and no field beside.
The document was also held against the original (npm's @asyncapi/specs 6.11.1, schemas/3.0.0.json) and AsyncAPI's own parser
(@asyncapi/parser 3.6.6) by hand; do so again when FORM has to grow.
"""
from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from schemas.catalogue import TOPICS
from schemas.generate import ASYNCAPI, ROOT

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / ASYNCAPI).read_text("utf-8"))


def an_object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required),
            "properties": required | (optional or {})}


def a_map(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "propertyNames": {"pattern": r"^[\w.-]+$"}, "additionalProperties": values}


TEXT = {"type": "string", "minLength": 1}
URI = {"type": "string", "pattern": r"^[a-z][a-z0-9+.-]*:\S+$"}
REFERENCE = an_object({"$ref": {"type": "string", "pattern": r"^(#/|\./)\S+$"}})
REFERENCES = {"type": "array", "items": REFERENCE, "minItems": 1, "uniqueItems": True}
TAGS = {"type": "array", "uniqueItems": True, "items": an_object({"name": TEXT}, {"description": TEXT})}
PAYLOAD = an_object({"schemaFormat": {"const": "application/schema+json;version=draft-07"}, "schema": REFERENCE})
KAFKA_TOPIC = an_object(
    {"topic": {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,249}$"}, "bindingVersion": {"const": "0.5.0"}},
    {"partitions": {"type": "integer", "minimum": 1}, "replicas": {"type": "integer", "minimum": 1},
     "topicConfiguration": an_object(
         {"cleanup.policy": {"type": "array", "items": {"enum": ["compact", "delete"]}}},
         {"retention.ms": {"type": "integer", "minimum": -1}, "retention.bytes": {"type": "integer", "minimum": -1},
          "delete.retention.ms": {"type": "integer", "minimum": 0}, "max.message.bytes": {"type": "integer", "minimum": 0}})})
KAFKA_MESSAGE = an_object({"key": {"type": "object", "required": ["type"]}, "bindingVersion": {"const": "0.5.0"}})
CHANNEL = an_object({
    "address": TEXT, "title": TEXT, "description": TEXT, "servers": REFERENCES, "messages": a_map(REFERENCE),
    "bindings": an_object({"kafka": KAFKA_TOPIC})})
OPERATION = an_object({"action": {"enum": ["send", "receive"]}, "channel": REFERENCE, "tags": TAGS, "messages": REFERENCES})
MESSAGE = an_object(
    {"name": TEXT, "title": TEXT, "summary": TEXT, "contentType": TEXT, "bindings": an_object({"kafka": KAFKA_MESSAGE}),
     "examples": {"type": "array", "minItems": 1,
                  "items": an_object({"name": TEXT}, {"payload": {}, "headers": {"type": "object"}})}},
    {"payload": PAYLOAD, "headers": {"anyOf": [PAYLOAD, {"type": "object", "required": ["type", "properties"]}]}})
FORM = an_object({
    "asyncapi": {"const": "3.0.0"}, "id": URI,
    "info": an_object({"title": TEXT, "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"}, "description": TEXT},
                      {"license": an_object({"name": TEXT}), "tags": TAGS}),
    "defaultContentType": {"const": "application/json"},
    "servers": a_map(an_object(
        {"host": TEXT, "protocol": {"enum": ["kafka", "kafka-secure"]}},
        {"description": TEXT, "variables": a_map(an_object({}, {"default": TEXT, "description": TEXT}))})),
    "channels": a_map(CHANNEL), "operations": a_map(OPERATION), "components": an_object({"messages": a_map(MESSAGE)})})


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    """What a reference leads to, within the document or in a file beside it; KeyError or OSError if it leads nowhere."""
    if reference.startswith("./"):
        return json.loads((ROOT / ASYNCAPI.parent / reference).read_text("utf-8"))
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def mistakes(document: dict[str, Any]) -> list[str]:
    """Everything wrong with a document: its form, or else its references, or else what it says."""
    return malformed(document) or astray(document) or [*contradictions(document), *bad_examples(document)]


def malformed(document: dict[str, Any]) -> list[str]:
    return [f"{'/'.join(map(str, error.absolute_path))}: form" for error in Draft7Validator(FORM).iter_errors(document)]


def astray(document: dict[str, Any]) -> list[str]:
    found = []
    for reference in references(document):
        try:
            resolve(document, reference)
        except (KeyError, OSError):
            found.append(f"{reference}: leads nowhere")
    return found


def contradictions(document: dict[str, Any]) -> Iterator[str]:
    for name, server in document["servers"].items():
        if set(re.findall(r"{(\w+)}", server["host"])) != server.get("variables", {}).keys():
            yield f"servers/{name}: variables"
    for name, operation in document["operations"].items():
        if any(not message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/") for message in operation["messages"]):
            yield f"operations/{name}: a message of another channel"


def bad_examples(document: dict[str, Any]) -> Iterator[str]:
    for name, message in document["components"]["messages"].items():
        for part in ("payload", "headers"):
            schema = message.get(part, {})
            schema = resolve(document, schema["schema"]["$ref"]) if "schemaFormat" in schema else schema
            if not all(Draft7Validator(schema).is_valid(example[part]) for example in message["examples"] if part in example):
                yield f"components/messages/{name}: example"


def test_the_document_is_valid() -> None:
    assert mistakes(DOCUMENT) == []


def set_(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *steps, last = path.split("/")
        node: Any = document
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if value is ...:
            del node[last]
        else:
            node[last] = value
    return change


@pytest.mark.parametrize(("path", "value"), [
    ("asyncapi", "2.6.0"), ("info/version", ...), ("servers/kafka/variables", ...), ("channels/events/adress", "care.events.v1"),
    ("channels/events/bindings/kafka/topicConfiguration/cleanup.policy", "delete"),
    ("operations/board-send-audit/action", "publish"), ("operations/board-send-audit/channel/$ref", "#/channels/audits"),
    ("operations/board-send-audit/channel/$ref", "#/channels/staff"),
    ("channels/staff/messages/care.staff.v1/$ref", "#/components/messages/care.staff.v2"),
    ("components/messages/care.staff.v1/payload/schema/$ref", "./json/care.staff.v2.schema.json"),
    ("components/messages/care.staff.v1/examples/0/payload/role", "adviserr"),
    ("components/messages/care.dead-letters.v1.headers/examples/0/headers/offset", -1)])
def test_a_spoilt_document_is_not(path: str, value: Any) -> None:
    spoilt = copy.deepcopy(DOCUMENT)
    set_(path, value)(spoilt)
    assert mistakes(spoilt) != []


def test_every_topic_is_a_channel_and_every_party_of_it_an_operation() -> None:
    channels = {channel["address"]: name for name, channel in DOCUMENT["channels"].items()}
    assert channels.keys() == {topic.name for topic in TOPICS}
    told = {(operation["tags"][0]["name"], operation["action"], operation["channel"]["$ref"])
            for operation in DOCUMENT["operations"].values()}
    assert told == {(party, action, f"#/channels/{channels[topic.name]}") for topic in TOPICS
                    for action, parties in (("send", topic.sent_by), ("receive", topic.received_by)) for party in parties}
    assert {party for party, _, _ in told} == {tag["name"] for tag in DOCUMENT["info"]["tags"]}


def test_kafka_keys_are_those_of_the_usual_messages() -> None:
    for topic in TOPICS:
        for kind in topic.kinds:
            message = DOCUMENT["components"]["messages"][kind.name]
            if kind.headers_only:
                continue
            usual = message["examples"][0]["payload"]
            field = "subject" if "subject" in usual else topic.key.strip("`")
            keys = usual["alert_ids"] if field == "alert_id" and field not in usual else [usual[field]]
            assert all(re.search(message["bindings"]["kafka"]["key"]["pattern"], key) for key in keys), kind.name
