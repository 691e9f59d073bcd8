"""The AsyncAPI 3.0 document: topics as channels, what each party sends and receives as operations."""
from __future__ import annotations

from collections.abc import Mapping
from inspect import getdoc
from typing import Any

from .catalogue import FEED_KEY_PATTERN, TOPICS, Kind, Party, Topic

VERSION = "1.0.0"
"""Of what is said. The major number is that of the topics and events."""

_DAY_MS = 86_400_000
_KAFKA_BINDING = "0.5.0"
_PAYLOAD_FORMAT = "application/schema+json;version=draft-07"
_PARTIES: dict[Party, str] = {
    "case_systems": "a council's case systems and feeds, which may write to Kafka directly",
    "intake": "the HTTP gateway and file importers",
    "contact_monitor": "the stream processor that applies the contact standards",
    "notifier": "tells advisers and managers, and reads their replies",
    "board": "the pages for advisers and managers",
    "operators": "who runs the system",
    "auditors": "who answers for it",
}


def document(schemas: Mapping[str, dict[str, Any]], examples: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document. `examples` has a valid value of each kind by its name; payloads refer to the JSON Schema files."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:keep-in-touch",
        "info": {
            "title": "Keep in Touch", "version": VERSION, "license": {"name": "MIT"},
            "description": "What goes over Kafka between case systems, the contact monitor, the notifier and the board. Instants "
                           "are RFC 3339 with an offset, days are ISO dates in Europe/London. A field that may be null may be "
                           "left out; readers ignore fields they do not know. There is no free text, name or address of a young "
                           "person anywhere.",
            "tags": [{"name": party, "description": text} for party, text in _PARTIES.items()],
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {
            "host": "{bootstrap}", "protocol": "kafka", "description": "the council's Apache Kafka",
            "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "as in KAFKA_BOOTSTRAP_SERVERS"}}}},
        "channels": {_channel_id(topic): _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic)},
        "components": {"messages": {kind.name: _message(kind, topic, schemas[kind.name], examples.get(kind.name))
                                    for topic in TOPICS for kind in topic.kinds}},
    }


def _channel_id(topic: Topic) -> str:
    return topic.name.split(".")[1]


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
    if topic.retention_days is not None:
        configuration["retention.ms"] = topic.retention_days * _DAY_MS
    return {
        "address": topic.name, "title": topic.title, "description": f"Key: {topic.key}. {topic.about}",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in topic.kinds},
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": configuration, "bindingVersion": _KAFKA_BINDING}},
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = _channel_id(topic)
    return [
        (f"{party}-{action}-{channel}", {
            "action": action, "channel": {"$ref": f"#/channels/{channel}"}, "tags": [{"name": party}],
            "messages": [{"$ref": f"#/channels/{channel}/messages/{kind.name}"} for kind in topic.kinds]})
        for action, parties in (("send", topic.sent_by), ("receive", topic.received_by)) for party in parties]


def _message(kind: Kind, topic: Topic, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    file = {"schemaFormat": _PAYLOAD_FORMAT, "schema": {"$ref": f"./json/{kind.name}.schema.json"}}
    message: dict[str, Any] = {"name": kind.name, "title": schema["title"], "summary": getdoc(kind.model)}
    if kind.headers_only:
        message |= {"contentType": "application/octet-stream", "headers": file}
    elif topic.name == "care.events.v1":
        message |= {"contentType": "application/cloudevents+json", "headers": {"type": "object", "properties": {"content-type": {
            "type": "string", "const": "application/cloudevents+json", "description": "may be left out in structured mode"}}},
            "payload": file}
    else:
        message |= {"contentType": "application/json", "payload": file}
    message["bindings"] = {"kafka": {"key": _key(kind, topic), "bindingVersion": _KAFKA_BINDING}}
    if example is not None:
        message["examples"] = [{"name": "usual", "headers" if kind.headers_only else "payload": example}]
    return message


def _key(kind: Kind, topic: Topic) -> dict[str, Any]:
    if kind.key_pattern is None:
        return {"type": "string", "description": topic.key}
    meaning = "feed:<council>/<feed>" if kind.key_pattern == FEED_KEY_PATTERN else topic.key.partition(";")[0].strip("`")
    return {"type": "string", "pattern": kind.key_pattern, "description": meaning}
