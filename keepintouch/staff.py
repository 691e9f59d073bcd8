"""Who works for a council, as the topic has it, and what a writer that does not know of leave and cover must keep of it.

A nightly staff file knows who works where, and not that a manager has just set a leave on the board: whoever writes a record
without saying `absence` or `cover_ref` keeps what is there.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepintouch.acceptance import Refused, accept_record
from keepintouch.runtime.kafka import KafkaSettings, read_to_end
from keepintouch.runtime.topics import STAFF
from schemas.staff import Staff

KEPT = ("absence", "cover_ref")
"""Fields that are kept where a record does not say them; null says that there is none."""


def read_staff(settings: KafkaSettings) -> dict[str, Staff]:
    """Everybody on the topic, by ref, as the last record that can be read has them. Raises BrokerUnreachable, TopicMissing."""
    found: dict[str, Staff] = {}
    for record in read_to_end(settings, STAFF):
        if record.value is None:
            found.pop((record.key or b"").decode(errors="replace"), None)
        elif not isinstance(member := accept_record(Staff, record.value, record.key, lambda read: read.worker_ref), Refused):
            found[member.worker_ref] = member
    return found


def keeping(record: Mapping[str, Any], known: Staff | None) -> dict[str, Any]:
    """A record of staff as JSON has it, with what it does not say of leave and cover taken from who is known under its ref."""
    if known is None:
        return dict(record)
    before = known.model_dump(mode="json", by_alias=True, include=set(KEPT))
    return {name: before[name] for name in KEPT} | dict(record)
