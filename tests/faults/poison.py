"""Records that are not accepted, of every kind there is."""
from __future__ import annotations

import json
from random import Random
from typing import Any

from schemas.dead_letters import MAX_VALUE_BYTES, REASONS, Reason

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


def poison(rng: Random, number: int, event: dict[str, Any]) -> Record:
    """A bad one made from a good event about a person: each reason in its turn, by the number."""
    return _poisoned(rng, REASONS[number % len(REASONS)], event)


def _poisoned(rng: Random, reason: Reason, event: dict[str, Any]) -> Record:
    key, data = event["subject"].encode(), event["data"]
    match reason:
        case "too_large":
            return key, json.dumps(event | {"padding": "x" * MAX_VALUE_BYTES}).encode()
        case "not_json":
            return key, rng.choice([None, b"", b"{", b"\xff", json.dumps(event).encode()[:-1]])
        case "not_cloudevent":
            lacking = rng.choice(["id", "source", "type", "specversion"])
            without = {name: value for name, value in event.items() if name != lacking}
            return key, rng.choice([b"null", b"[]", b"17", json.dumps(without).encode()])
        case "unknown_type":
            return key, json.dumps(event | {"type": f"{event['type']}0"}).encode()
        case "schema":
            wrong = rng.choice([{"data": {}}, {"data": data | {"recorded_at": "yesterday"}}, {"subject": "lancs:somebody_else"}])
            return key, json.dumps(event | wrong).encode()
        case "key_mismatch":
            return rng.choice([None, b"lancs:somebody_else"]), json.dumps(event).encode()
        case "unknown_council":
            ref = f"essex:{event['subject'].partition(':')[2]}"
            return ref.encode(), json.dumps(event | {"subject": ref, "data": data | {"person_ref": ref}}).encode()
        case "future":
            return key, json.dumps(event | {"data": data | {"recorded_at": "2099-01-01T00:00:00Z"}}).encode()
