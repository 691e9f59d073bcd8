"""The HTTP binding of CloudEvents 1.0: one event (structured or binary), or a batch, as it comes in a request."""
from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

import orjson

from keepintouch.acceptance import Refused

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
JSON = "application/json"


class UnsupportedMediaType(Exception):  # noqa: N818 – it names what came
    """Neither a CloudEvent nor a batch of them in JSON."""


def media_type(content_type: str) -> str:
    """What a Content-Type names, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_events(headers: Iterable[tuple[str, str]], body: bytes) -> list[object] | Refused:
    """The events of a request, each as JSON has it and not looked into yet; a refusal where the body as a whole cannot be read.

    `headers` have names in lower case. Raises UnsupportedMediaType.
    """
    given = dict(headers)
    kind = media_type(given.get("content-type", ""))
    attributes = {name[3:]: _decoded(value) for name, value in given.items() if name.startswith("ce-")}
    if kind not in (STRUCTURED, BATCH) and (kind.startswith("application/cloudevents") or not attributes):
        raise UnsupportedMediaType
    if not body:
        return Refused("not_json", "value: empty")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Refused("not_json", f"value: not JSON in UTF-8, at line {error.lineno} column {error.colno}")
    if kind == STRUCTURED:
        return [parsed]
    if kind == BATCH:
        return parsed if isinstance(parsed, list) else Refused("not_cloudevent", "value: not a JSON array")
    return [attributes | {"datacontenttype": given.get("content-type", JSON), "data": parsed}]


def _decoded(value: str) -> str | None:
    """A header's value: percent-encoded UTF-8; None for what is not."""
    try:
        return unquote_to_bytes(value.encode("latin-1").strip(b' "')).decode()
    except UnicodeError:
        return None
