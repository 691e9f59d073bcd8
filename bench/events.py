"""The made-up council whose events are measured with: the same seed gives the same bytes, written as our own writers write them.

A roster first, then contacts and visits of every kind in the order they were typed up, one in a hundred a void, one in two
hundred sent twice. The first half ends six weeks before today, the second half is what those six weeks brought: many who are
known by the first half alone are overdue today, and the second half settles it.
"""
from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random
from uuid import UUID

from keepintouch.publishing import to_json
from keepintouch.runtime import partitions as of_keys
from schemas.events import Contact, EventData, Person, RecordVoided, Visit, envelope

COUNCIL = "lancashire"
SOURCE = "urn:lancashire:case-system"
PARTITIONS = 12
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When the measured worker believes to start: a Monday morning, just after the last event."""
RECENT = timedelta(weeks=6)
CACHE = Path(".cache/bench")
_LENGTHS = struct.Struct(">HI")
_YEAR = timedelta(weeks=52)

_CHANNELS = {"text": 30, "phone": 22, "face_to_face": 24, "email": 12, "social_media": 6, "video": 3, "letter": 2, "other": 1}
_VISITS = 0.4
_CONTACT_OUTCOMES = {"completed": 62, "no_reply": 22, "left_message": 11, "refused": 2, "cancelled": 3}
_ROLES = {"personal_adviser": 74, "social_worker": 8, "duty": 6, "manager": 2, "other_council": 2, "accommodation_staff": 5,
          "other_professional": 2, "family": 1}
_LOCATIONS = {"home": 52, "placement": 14, "office": 10, "community": 12, "custody": 2, "hospital": 2, "education": 5, "other": 3}
_VISIT_OUTCOMES = {"seen": 84, "no_access": 9, "refused": 2, "cancelled": 5}
_CATEGORIES = {"former_relevant": 70, "relevant": 8, "eligible": 17, "qualifying": 5}
_HOMES = {"U": 38, "D": 18, "K": 8, "B": 9, "Z": 9, "E": 6, "T": 3, "X": 3, "W": 1, "V": 1, "S": 1, "Y": 3}

KeyValue = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is."""

    events: int = 1_000_000
    people: int = 20_000
    seed: int = 5


class Council:
    """Draws what a case system says, one statement at a time."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.draw = shape, Random(shape.seed)
        self._records: list[list[str]] = [[] for _ in range(shape.people)]

    def ref(self, number: int) -> str:
        """Pseudonym of a person: as long as those made of case ids."""
        return f"{COUNCIL}:{blake2b(b'%d' % number, digest_size=16).hexdigest()}"

    def worker(self, number: int) -> str:
        """Pseudonym of a member of staff: one for every fifteen people."""
        return f"{COUNCIL}:w{number:06}"

    def uuid(self) -> str:
        """A random id."""
        return str(UUID(int=self.draw.getrandbits(128), version=4))

    def snapshot(self, number: int, recorded_at: datetime, **changes: object) -> Person:
        """What the case system holds of a person."""
        draw, today = self.draw, recorded_at.date()
        since = today - timedelta(days=draw.randrange(30, 700))
        code = self._pick(_HOMES)
        home = {"code": code, "suitable": code not in "WVS", "council_provided": code in "DET", "hostel": code == "V",
                "since": since}
        return Person.model_validate({
            "person_ref": self.ref(number), "recorded_at": recorded_at, "category": self._pick(_CATEGORIES),
            "born_on": date(today.year - 19, 1, 1) - timedelta(days=draw.randrange(-500, 1500)), "supported_since": since,
            "adviser_ref": self.worker(number // 15) if draw.random() < 0.98 else None, "adviser_since": since,
            "team_ref": f"team-{number // 150 % 12}", "need": self._pick({"standard": 7, "enhanced": 2, "high": 1}),
            "plan_reviewed_on": today - timedelta(days=draw.randrange(60)), "looked_after": False, "accommodation": home,
            "cohorts": ["uasc"] if draw.random() < 0.1 else []} | changes)

    def record(self, number: int, recorded_at: datetime) -> Contact | Visit | RecordVoided:
        """The next thing typed up about a person: three contacts to two visits, now and then a void."""
        draw, ref, held = self.draw, self.ref(number), self._records[number]
        if held and draw.random() < 0.01:
            return RecordVoided(record_id=draw.choice(held), person_ref=ref, recorded_at=recorded_at)
        role = self._pick(_ROLES)
        adviser = role == "personal_adviser" and draw.random() < 0.85
        worker = number // 15 if adviser else draw.randrange(self.shape.people // 15 + 1)
        held.append(self.uuid())
        common = {"record_id": held[-1], "person_ref": ref, "recorded_at": recorded_at, "worker_role": role,
                  "worker_ref": self.worker(worker) if draw.random() < 0.99 else None,
                  "occurred_at": recorded_at - timedelta(seconds=int(draw.expovariate(1 / 100_000)) + 60)}
        if draw.random() < _VISITS:
            return Visit.model_validate(common | {
                "location": self._pick(_LOCATIONS), "outcome": self._pick(_VISIT_OUTCOMES),
                "announced": draw.choice((True, True, False, None)), "seen_alone": draw.choice((True, False, None))})
        return Contact.model_validate(common | {
            "channel": self._pick(_CHANNELS), "outcome": self._pick(_CONTACT_OUTCOMES),
            "direction": "out" if draw.random() < 0.7 else "in"})

    def event(self, data: EventData) -> KeyValue:
        """Key and value as they lie on the topic."""
        event = envelope(data, id=self.uuid(), source=SOURCE)
        return event.subject.encode(), to_json(event)

    def stream(self) -> Iterator[KeyValue]:
        """All events in order, the roster first."""
        shape, half = self.shape, self.shape.events // 2
        recent = NOW - RECENT
        begin = recent - _YEAR
        last: KeyValue | None = None
        for place in range(shape.events):
            if place < shape.people:
                last = self.event(self.snapshot(place, recent - timedelta(days=self.draw.randrange(120))))
            elif last is None or self.draw.random() >= 0.005:
                at = begin + _YEAR * (place / half) if place < half else recent + RECENT * (place / half - 1)
                last = self.event(self.record(self.draw.randrange(shape.people), at.replace(microsecond=0)))
            yield last

    def _pick(self, weights: dict[str, int]) -> str:
        return self.draw.choices(list(weights), cum_weights=_cumulative(tuple(weights.values())))[0]


_sums: dict[tuple[int, ...], list[int]] = {}


def _cumulative(weights: tuple[int, ...]) -> list[int]:
    found = _sums.get(weights)
    if found is None:
        found = _sums[weights] = [sum(weights[:end]) for end in range(1, len(weights) + 1)]
    return found


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """As Kafka's own clients choose it."""
    return of_keys.partition_of(key, partitions)


@dataclass(frozen=True, slots=True)
class Stored:
    """Events on disk, one file for each partition."""

    folder: Path

    def of(self, partition: int) -> Iterator[KeyValue]:
        """The events of one partition, in order."""
        data, at = (self.folder / f"{partition:02}").read_bytes(), 0
        while at < len(data):
            key, value = _LENGTHS.unpack_from(data, at)
            at += _LENGTHS.size
            yield data[at:at + key], data[at + key:at + key + value]
            at += key + value

    def all(self) -> Iterator[tuple[int, KeyValue]]:
        """All of them with their partition, one partition after another."""
        return ((partition, each) for partition in range(PARTITIONS) for each in self.of(partition))


def halves(shape: Shape) -> tuple[Stored, Stored]:
    """The first and the second half of the events; written to disk once for each shape and each version of this module."""
    mark = blake2b(Path(__file__).read_bytes(), digest_size=6).hexdigest()
    folder = CACHE / f"{shape.events}-{shape.people}-{shape.seed}-{mark}"
    both = Stored(folder / "first"), Stored(folder / "second")
    if not (folder / "whole").exists():
        _write(Council(shape), both)
        (folder / "whole").touch()
    return both


def _write(council: Council, both: tuple[Stored, Stored]) -> None:
    stream, half = council.stream(), council.shape.events // 2
    for stored, count in zip(both, (half, council.shape.events - half), strict=True):
        stored.folder.mkdir(parents=True, exist_ok=True)
        written = [bytearray() for _ in range(PARTITIONS)]
        for _ in range(count):
            key, value = next(stream)
            written[partition_of(key)] += _LENGTHS.pack(len(key), len(value)) + key + value
        for partition, data in enumerate(written):
            (stored.folder / f"{partition:02}").write_bytes(data)
