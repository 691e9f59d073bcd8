"""The events topic as the model reads it: which records are accepted, what they say of whom, and what holds of it in the end.

Written without the engine: what `tests.reference` has for lines in a file, for records of a topic.
"""
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from keepintouch.runtime.clock import LinearClock
from keepintouch.runtime.kafka import Record
from tests.reference.accepting import refusal
from tests.reference.days import instant
from tests.reference.model import Facts

_AFTER_EVERYTHING = datetime(9000, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reason_of(record: Record, now: datetime, councils: Container[str]) -> str | None:
    """Why a record is not accepted at an instant, or None."""
    if record.value is not None and len(record.value) > 64 * 1024:
        return "too_large"
    try:
        line = (record.value or b"").decode()
    except UnicodeDecodeError:
        return "not_json"
    if found := refusal(line, _AFTER_EVERYTHING):
        return found
    subject = json.loads(line)["subject"]
    if record.key != subject.encode():
        return "key_mismatch"
    if not subject.startswith("feed:") and council_of(subject) not in councils:
        return "unknown_council"
    return refusal(line, now)


def council_of(ref: str) -> str:
    """The part before the colon."""
    return ref.partition(":")[0]


def micros(text: str) -> int:
    """An instant in whole microseconds since 1970."""
    return (instant(text) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """An accepted event, and where and when it came onto the topic."""

    offset: int
    timestamp_ms: int
    event: Facts


@dataclass(slots=True)
class Told:
    """Everything accepted, each in the order of its partition."""

    people: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    partition: dict[str, int] = field(default_factory=dict)
    """Of each person."""
    manifests: dict[tuple[int, str], list[Said]] = field(default_factory=lambda: defaultdict(list))
    """By partition and council."""
    refused: dict[tuple[int, int], tuple[str, Record]] = field(default_factory=dict)
    """By partition and offset: the reason, and the record."""
    ends: dict[int, int] = field(default_factory=dict)
    """The offset after the last record of each partition."""

    def manifests_for(self, ref: str) -> list[Said]:
        """Those that a person's worker has seen."""
        return self.manifests.get((self.partition[ref], council_of(ref)), [])


def listen(events: Iterable[Record], councils: Container[str], clock: LinearClock, ended: datetime) -> Told:
    """Read the events topic. ValueError if it depends on the moment of reading whether one is accepted.

    `clock`: the workers'; nobody has read a record before Kafka had it, or after `ended`.
    """
    told = Told()
    for record in events:
        told.ends[record.partition] = record.offset + 1
        reason = reason_of(record, ended, councils)
        if reason != reason_of(record, _there_from(record, clock), councils):
            raise ValueError(f"whether {record.partition}:{record.offset} is accepted depends on when it is read")
        if reason:
            told.refused[record.partition, record.offset] = reason, record
            continue
        event = json.loads(record.value or b"")
        said = Said(record.offset, record.timestamp_ms, event)
        if event["type"] == "care.feed.v1":
            told.manifests[record.partition, event["data"]["council"]].append(said)
        else:
            told.people[event["subject"]].append(said)
            told.partition[event["subject"]] = record.partition
    return told


def _there_from(record: Record, clock: LinearClock) -> datetime:
    return clock.start + (_EPOCH + timedelta(milliseconds=record.timestamp_ms) - clock.real) * clock.speed


def feeds(manifests: Iterable[Said]) -> dict[str, date]:
    """How far each feed of a council is complete."""
    marks: dict[str, date] = {}
    for said in manifests:
        data = said.event["data"]
        through = date.fromisoformat(data["complete_through"])
        marks[data["feed"]] = max(marks.get(data["feed"], through), through)
    return marks


@dataclass(frozen=True, slots=True)
class Held:
    """What must be held of a person: which statement of each record, which snapshot, and the erasure (in microseconds)."""

    records: dict[str, tuple[str, int]]
    """Record id to the event id and `recorded_at` of the statement that holds, voids too."""
    snapshot: tuple[str, int] | None
    erased_at: int | None

    @property
    def nothing(self) -> bool:
        """Whether all that is left is that they were erased."""
        return not self.records and self.snapshot is None


def held(said: Iterable[Said]) -> Held:
    """What holds of all that was said of one person."""
    data = [(_rank(each.event), each.event) for each in said]
    erased_at = max((at for (at, _), event in data if event["type"] == "care.person-erased.v1"), default=None)
    kept = [(rank, event) for rank, event in data if erased_at is None or rank[0] > erased_at]
    snapshots = [rank for rank, event in kept if event["type"] == "care.person.v1"]
    records: dict[str, tuple[int, str]] = {}
    for rank, event in kept:
        if (record_id := event["data"].get("record_id")) is not None:
            records[record_id] = max(records.get(record_id, rank), rank)
    newest = max(snapshots, default=None)
    return Held({record_id: (event_id, at) for record_id, (at, event_id) in records.items()},
                None if newest is None else (newest[1], newest[0]), erased_at)


def _rank(event: Facts) -> tuple[int, str]:
    return micros(event["data"]["recorded_at"]), event["id"]


def events_of(said: Iterable[Said]) -> list[dict[str, Any]]:
    """The bare events, as the model wants them."""
    return [each.event for each in said]


def up_to(said: Iterable[Said], offset: int) -> Iterator[Said]:
    """Those that came no later than an offset."""
    return (each for each in said if each.offset <= offset)
