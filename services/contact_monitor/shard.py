"""One partition's people: fold, evaluate, and say what must be written. Pure: no Kafka, and the time is an argument.

A shard is restored from the changelog, then folds what lies between the committed offset and the end the partition had when
it was taken over, and only then begins to evaluate. What it has to write is taken in one piece, so that a person's state is
never written before, or without, the alerts that it says were published.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from keepintouch.acceptance import Accepted, Refused, accept_event
from keepintouch.calendar import london_day
from keepintouch.standards import ledger, stored
from keepintouch.standards.clocks import State, Why
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.intervals import LAST_DAY
from keepintouch.standards.ledger import REMEMBERED_DAYS, Publication
from keepintouch.standards.person import Person, instant
from keepintouch.standards.world import Feeds
from schemas.common import council_of
from schemas.events import EventData, Feed, PersonErased

from .rulebook import Rulebook

StateRecord = tuple[bytes, bytes | None]
"""Key and value for the changelog; without a value, a tombstone."""


class SourceRecord(Protocol):
    """A record of the events topic, as any client gives it."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was not accepted, and why."""

    record: SourceRecord
    refused: Refused


@dataclass(frozen=True, slots=True)
class Writes:
    """What one shard has to write, in this order: dead letters and alerts, then states, then the offset."""

    dead_letters: list[DeadLetter]
    publications: list[Publication]
    states: list[StateRecord]
    position: int
    oldest_ms: int | None
    """When Kafka accepted the oldest event in it, in milliseconds since 1970."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to write but the offset."""
        return not (self.dead_letters or self.publications or self.states)


@dataclass(slots=True)
class Touched:
    """A person who is decoded because something about them has changed since the last write."""

    person: Person
    due_on: int = stored.DUE_NOW
    waits_for_feed: bool = False


@dataclass(slots=True)
class _Due:
    """Keys by the day on which they must be evaluated; an entry whose person has another day by now is passed over."""

    days: dict[int, dict[bytes, None]] = field(default_factory=dict)

    def add(self, key: bytes, day: int) -> None:
        if day < LAST_DAY:
            self.days.setdefault(day, {})[key] = None

    def pop(self, today: int) -> tuple[bytes, int] | None:
        """Some key that is due by today, earliest first, with its day."""
        while (day := min(self.days, default=LAST_DAY)) <= today:
            if keys := self.days[day]:
                return keys.popitem()[0], day
            del self.days[day]
        return None


class Shard:
    """The people of one partition."""

    def __init__(self, rulebook: Rulebook, settle_seconds: float) -> None:
        self._rulebook = rulebook
        self._settle_seconds = settle_seconds
        self._people: dict[bytes, bytes] = {}
        self._touched: dict[bytes, Touched] = {}
        self._pending: dict[bytes, None] = {}
        self._settling: dict[bytes, float] = {}
        self._due = _Due()
        self._feeds = Feeds()
        self._feed_states: dict[bytes, bytes] = {}
        self._dead_letters: list[DeadLetter] = []
        self._publications: list[Publication] = []
        self._oldest_ms: int | None = None
        self.caught_up = False
        """Whether everything the partition held when it was taken over is folded in; nothing is evaluated before."""
        self.position = 0
        """Offset after the last event folded in."""

    def __len__(self) -> int:
        """How many people it holds."""
        return len(self._people)

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one changelog record; the last one of a key holds."""
        if (feed := stored.feed_of(key)) is not None:
            if value is not None:
                self._feeds.restore(*feed, stored.load_feed(value))
        elif value is None:
            self._people.pop(key, None)
        else:
            self._people[key] = value

    def resume(self, position: int) -> None:
        """Begin again from the changelog as restored: whatever was not yet durable is forgotten, and read again."""
        for unwritten in (self._touched, self._pending, self._settling, self._feed_states):
            unwritten.clear()
        self._dead_letters.clear()
        self._publications.clear()
        self.caught_up, self.position = False, position
        self._due = _Due()
        for key, value in self._people.items():
            head = stored.header(value)
            self._due.add(key, head.due_on if head.mark == self._rulebook.mark_of(key) else stored.DUE_NOW)

    def fold(self, records: Iterable[SourceRecord], now: datetime, real: float) -> int:
        """Fold in events in the order of their offsets, and say how many were accepted.

        `real` is the monotonic time in seconds, for settling.
        """
        accepted = 0
        for record in records:
            if record.offset < self.position:
                continue
            self.position = record.offset + 1
            if self._oldest_ms is None:
                self._oldest_ms = record.timestamp
            result = accept_event(record.value, record.key or b"", record.headers, now, self._rulebook.slugs)
            if isinstance(result, Accepted):
                self._fold(result.event_id, result.data, real)
                accepted += 1
            else:
                self._dead_letters.append(DeadLetter(record, result))
        return accepted

    def evaluate(self, now: datetime, real: float, most: int) -> None:
        """Evaluate whom something was folded into, and up to `most` new people who have settled or who are due today."""
        if not self.caught_up:
            return
        today = london_day(now).toordinal()
        for key in list(self._pending):
            self._evaluate_or_settle(key, today, now, real)
        self._pending.clear()
        for _ in range(most):
            if (settled := self._pop_settled(real)) is not None:
                self._evaluate(settled, self._touch(settled), today, now)
            elif (due := self._due.pop(today)) is None:
                break
            elif self._is_due(*due):
                self._evaluate_or_settle(due[0], today, now, real)

    def take(self) -> Writes:
        """Take what must be written now; the caller writes all of it, or nothing is committed ever again."""
        states: list[StateRecord] = list(self._feed_states.items())
        for key, touched in self._touched.items():
            value = self._stored(touched)
            states.append((key, value))
            if value is None:
                del self._people[key]
            else:
                self._people[key] = value
                self._due.add(key, touched.due_on)
        if not self.caught_up:
            self._pending.clear()  # their stored form says that they are due now
        writes = Writes(self._dead_letters, self._publications, states, self.position, self._oldest_ms)
        self._dead_letters, self._publications, self._feed_states, self._touched = [], [], {}, {}
        self._oldest_ms = None
        return writes

    @property
    def settling(self) -> int:
        """How many new people wait for their first evaluation."""
        return len(self._settling)

    @property
    def unwritten(self) -> int:
        """How many people, feeds, alerts and dead letters wait to be written."""
        return len(self._touched) + len(self._feed_states) + len(self._publications) + len(self._dead_letters)

    def has_work(self, now: datetime, real: float) -> bool:
        """Whether evaluating now would find anybody to look at."""
        if not self.caught_up:
            return False
        return bool(self._pending) or next(iter(self._settling.values()), real + 1) <= real or (
            min((day for day, keys in self._due.days.items() if keys), default=LAST_DAY) <= london_day(now).toordinal())

    def _fold(self, event_id: str, data: EventData, real: float) -> None:
        if isinstance(data, Feed):
            self._fold_manifest(data)
            return
        key = data.person_ref.encode()
        was_touched = key in self._touched
        touched = self._touch(key)
        if not touched.person.fold(event_id, data):
            if not was_touched:
                del self._touched[key]
            return
        touched.due_on = stored.DUE_NOW
        if isinstance(data, PersonErased):
            self._publications += ledger.erase(data.person_ref, touched.person)
        self._pending[key] = None
        if touched.person.ledger is None:
            self._settling.pop(key, None)
            self._settling[key] = real + self._settle_seconds

    def _fold_manifest(self, manifest: Feed) -> None:
        if not self._feeds.fold(manifest):
            return
        self._feed_states[manifest.key.encode()] = stored.dump_feed(manifest.complete_through.toordinal())
        prefix = f"{manifest.council}:".encode()
        for key, value in self._people.items():
            if key.startswith(prefix) and stored.header(value).waits_for_feed:
                self._pending[key] = None
        self._pending.update(dict.fromkeys(key for key in self._touched if key.startswith(prefix)))

    def _touch(self, key: bytes) -> Touched:
        touched = self._touched.get(key)
        if touched is None:
            value = self._people.get(key)
            if value is None:
                touched = Touched(Person())
            else:
                head = stored.header(value)
                touched = Touched(stored.load(value), head.due_on, head.waits_for_feed)
            self._touched[key] = touched
        return touched

    def _pop_settled(self, real: float) -> bytes | None:
        """A new person for whom no event has come for long enough; the dictionary is in the order of their ends."""
        key = next(iter(self._settling), None)
        if key is None or self._settling[key] > real:
            return None
        del self._settling[key]
        return key

    def _is_due(self, key: bytes, day: int) -> bool:
        """Whether an entry of the due index still holds: its person has not got another day since."""
        if key in self._touched:
            return self._touched[key].due_on == day
        value = self._people.get(key)
        if value is None:
            return False
        head = stored.header(value)
        return head.due_on == day or (day == stored.DUE_NOW and head.mark != self._rulebook.mark_of(key))

    def _evaluate_or_settle(self, key: bytes, today: int, now: datetime, real: float) -> None:
        """A person never evaluated waits until no event for them has come for a while, so that their history is read first."""
        touched = self._touch(key)
        if touched.person.ledger is None and self._settle_seconds > 0 and touched.person.facts is not None:
            self._settling.setdefault(key, real + self._settle_seconds)
            if self._settling[key] > real:
                return
            del self._settling[key]
        self._evaluate(key, touched, today, now)

    def _evaluate(self, key: bytes, touched: Touched, today: int, now: datetime) -> None:
        ref, person = key.decode(), touched.person
        rules = self._rulebook.rules_for(council_of(ref))
        if rules is None:
            self._publications += ledger.close(ref, person, now)
            touched.due_on, touched.waits_for_feed = LAST_DAY, False
            return
        evaluation = evaluate(person, rules.policy, today, self._feeds.of(council_of(ref)), ledger.open_keys(person),
                              rules.more_feeds)
        if evaluation is None:
            touched.due_on, touched.waits_for_feed = _forgotten_on(person, today), False
            return
        self._publications += ledger.settle(ref, person, evaluation, rules.policy, rules.mark, now)
        assert person.ledger is not None
        touched.due_on = min(evaluation.next_change_on, person.ledger.next_change_on)
        touched.waits_for_feed = _waits_for_feed(evaluation)

    def _stored(self, touched: Touched) -> bytes | None:
        if touched.due_on == _FORGOTTEN:
            return None
        return stored.dump(touched.person, touched.due_on, touched.waits_for_feed)


_FORGOTTEN = -1


def _waits_for_feed(evaluation: Evaluation) -> bool:
    return any(clock.state is State.UNKNOWN and clock.why is Why.FEEDS_BEHIND for clock in evaluation.clocks)


def _forgotten_on(person: Person, today: int) -> int:
    """When the last trace of an erased person goes: as long after the erasure as the events topic keeps what came before."""
    if person.erased_at is None or person.registers:
        return LAST_DAY
    day = london_day(instant(person.erased_at)).toordinal() + REMEMBERED_DAYS
    return _FORGOTTEN if day <= today else day
