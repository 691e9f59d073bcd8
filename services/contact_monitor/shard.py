"""One partition's people: fold, evaluate, and say what must be written. Pure: no Kafka, and the time is an argument.

A shard is restored from the changelog, folds what lies between its position and the end the partition had when it was taken
over, and only then begins to evaluate. What it has to write is taken in one piece, so that a person's state is never written
before, or without, the alerts that it says were published.
"""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from keepintouch.acceptance import FUTURE_ALLOWANCE, Accepted, Refused, accept_event
from keepintouch.calendar import london_day
from keepintouch.standards import ledger, ordinary, stored
from keepintouch.standards.clocks import Why
from keepintouch.standards.evaluation import Evaluation, evaluate
from keepintouch.standards.instants import instant, microseconds
from keepintouch.standards.intervals import LAST_DAY
from keepintouch.standards.ledger import Publication
from keepintouch.standards.person import Person
from keepintouch.standards.published import REMEMBERED_DAYS
from schemas.alerts import Alert
from schemas.events import EventData, Feed, PersonErased

from .decoded import FORGOTTEN, Decoded, LatelyHeardOf
from .due import DueDays
from .records import DeadLetter, SourceRecord, Writes
from .rulebook import Rulebook
from .state import PartitionState, StateRecord

_OF_A_FINDING = 3
"""As many records as this weighs an alert or dead letter."""


class Shard:
    """The people of one partition, from when it was taken over (or came back) to when it goes.

    Begins with what the changelog holds; whatever a shard before it had not written is read again.
    """

    def __init__(self, state: PartitionState, rulebook: Rulebook, settle_seconds: float) -> None:
        self._state, self._people = state, state.people
        self._rulebook, self._settle_seconds = rulebook, settle_seconds
        self._slugs = frozenset(slug.encode() for slug in rulebook.slugs)
        self._touched: dict[bytes, Decoded] = {}
        """Whom something may have changed about since the last write."""
        self._weight_touched = 0
        self._lately = LatelyHeardOf()
        self._pending: dict[bytes, None] = {}
        self._settling: dict[bytes, float] = {}
        """New people, and when they will have settled; always in the order of these ends."""
        self._due = DueDays()
        self._feeds = state.feeds()
        self._feeds_on = set[str]()
        """Councils one of whose feeds has got further since somebody was last looked for who waits for that."""
        self._new_feed_marks: dict[bytes, bytes] = {}
        self._accepted: dict[str, int] = {}
        self._dead_letters: list[DeadLetter] = []
        self._publications: list[Publication] = []
        self._oldest_ms: int | None = None
        self.caught_up = False
        """Whether everything the partition held when it was taken over is folded in; nothing is evaluated before."""
        self.position = state.position or 0
        """Offset after the last event folded in."""
        self._whole = state.position is not None
        for key, value in self._people.items():
            head = stored.header(value)
            # The manifest they wait for may have come in just before, and its offset been committed.
            self._due.add(key, stored.DUE_NOW if head.waits_for_feed else head.due_on)
        if state.not_looked_at is None:
            state.not_looked_at = dict.fromkeys(self._people)
        self._not_looked_at = state.not_looked_at

    def __len__(self) -> int:
        """How many people it holds."""
        return len(self._people)

    def lacks(self, committed: int) -> bool:
        """Whether something of what the group has read is not in the state: it was never whole, or is lost."""
        self._whole = self._whole and self.position >= committed
        return not self._whole

    def rebuilt(self, committed: int) -> None:
        """Say that everything up to there has been folded in again."""
        self.position, self._whole = max(self.position, committed), True

    def adopt(self, alert: Alert) -> None:
        """Take note of an alert that was published, where the state is lost. To be done when everything has been folded again."""
        key = alert.person_ref.encode()
        touched = self._held(key)
        if ledger.adopt(touched.person, alert):
            touched.due_on = stored.DUE_NOW
            self._note_touched(key, touched)
            self._settling.pop(key, None)

    def fold(self, records: Iterable[SourceRecord], now: datetime, real: float) -> int:
        """Fold in events in the order of their offsets, and say how many were accepted.

        `real` is the monotonic time in seconds, for settling.
        """
        accepted, position, latest = 0, self.position, microseconds(now + FUTURE_ALLOWANCE)
        for record in records:
            offset = record.offset
            if offset < position:
                continue
            position = offset + 1
            if self._oldest_ms is None:
                self._oldest_ms = record.timestamp
            said = self._fold_one(record, now, latest, real)
            if isinstance(said, Refused):
                self._dead_letters.append(DeadLetter(record, said))
            else:
                self._accepted[said] = self._accepted.get(said, 0) + 1
                accepted += 1
        self.position = position
        self._weight_touched += accepted
        return accepted

    def fold_again(self, records: Iterable[SourceRecord], now: datetime, real: float) -> None:
        """Fold in events from before the position: the state they were in is lost. What was not accepted is dead and buried."""
        latest = microseconds(now + FUTURE_ALLOWANCE)
        for record in records:
            self._fold_one(record, now, latest, real)
            self._weight_touched += 1

    def evaluate(self, now: datetime, real: float, most: int) -> int:
        """Evaluate whom something was folded into, and up to `most` others: who has settled, is due, or was not looked at yet.

        Returns how many others there were.
        """
        if not self.caught_up:
            return 0
        if self._feeds_on:
            self._wake_who_waits()
        today = london_day(now).toordinal()
        for key in self._pending:
            self._evaluate(key, self._touch(key), today, now)
        self._pending.clear()
        for others in range(most):
            if (settled := self._pop_settled(real)) is not None:
                self._evaluate(settled, self._touch(settled), today, now)
            elif (due := self._due.pop(today)) is not None:
                if self._is_due(*due):
                    self._evaluate_or_settle(due[0], today, now, real)
            elif self._not_looked_at:
                self._evaluate_or_settle(self._not_looked_at.popitem()[0], today, now, real)
            else:
                return others
        return most

    def take(self) -> Writes:
        """Take what must be written now; the caller writes all of it, or nothing is committed ever again."""
        states: list[StateRecord] = list(self._new_feed_marks.items())
        let_go = 0
        for key, touched in self._touched.items():
            let_go += touched.person.let_go
            touched.person.let_go = 0
            value = touched.stored()
            if value != self._people.get(key):
                states.append((key, value))
            if value is not None and key not in self._settling:
                self._due.add(key, touched.due_on)
            if value is not None and touched.was_folded:
                touched.was_folded = False
                self._lately.keep(key, touched)
            else:
                touched.let_go()
                self._lately.drop(key)
        if self._whole and self.position != self._state.position:
            states.append((stored.POSITION_KEY, stored.dump_position(self.position)))
        for record in states:
            self._state.put(*record)
        if not self.caught_up:
            self._pending.clear()  # their stored form says that they are due now
        writes = Writes(self._dead_letters, self._publications, states, self.position, self._oldest_ms, self._accepted,
                        let_go)
        self._dead_letters, self._publications, self._new_feed_marks, self._touched = [], [], {}, {}
        self._weight_touched = 0
        self._oldest_ms, self._accepted = None, {}
        return writes

    def close(self) -> None:
        """Let go of everybody. Not to be used afterwards."""
        for touched in self._touched.values():
            touched.let_go()
        self._lately.close()

    @property
    def settling(self) -> int:
        """How many new people wait for their first evaluation."""
        return len(self._settling)

    @property
    def not_looked_at(self) -> int:
        """How many have not been evaluated since the partition was taken over."""
        return len(self._not_looked_at)

    @property
    def unwritten(self) -> int:
        """What waits to be written, in the weight of a record: people with all of theirs, feeds, alerts and dead letters."""
        return self._weight_touched + len(self._new_feed_marks) + _OF_A_FINDING * self.found

    @property
    def found(self) -> int:
        """How many alerts and dead letters wait to be written."""
        return len(self._publications) + len(self._dead_letters)

    def has_work(self, now: datetime, real: float) -> bool:
        """Whether evaluating now would find anybody to look at."""
        return self.caught_up and bool(
            self._pending or self._feeds_on or self._not_looked_at or next(iter(self._settling.values()), real + 1) <= real
            or self._due.first <= london_day(now).toordinal())

    def _fold(self, event_id: str, data: EventData, real: float) -> None:
        if isinstance(data, Feed):
            if self._feeds.fold(data):
                self._new_feed_marks[data.key.encode()] = stored.dump_feed(data.complete_through.toordinal())
                self._feeds_on.add(data.council)
            return
        key = data.person_ref.encode()
        touched = self._held(key)
        changed = touched.person.fold(event_id, data)
        if changed and isinstance(data, PersonErased):
            self._publications += ledger.erase(data.person_ref, touched.person)
        self._heard_of(key, touched, changed, real)

    def _fold_one(self, record: SourceRecord, now: datetime, latest: int, real: float) -> str | Refused:
        """Fold in one event; its source, or why it is not accepted. `latest`: see `ordinary.read`."""
        source = self._fold_ordinary(record, latest, real)
        if source is not None:
            return source
        result = accept_event(record.value, record.key or b"", record.headers, now, self._rulebook.slugs)
        if isinstance(result, Accepted):
            self._fold(result.event_id, result.data, real)
            return result.source
        return result

    def _fold_ordinary(self, record: SourceRecord, latest: int, real: float) -> str | None:
        """Fold in an ordinary contact or visit of someone we know; its source, or None if it is none."""
        key, value = record.key, record.value
        if key is None or value is None or record.headers:
            return None
        touched = self._touched.get(key)
        if (touched is None or not touched.was_folded) and (
                key not in self._people or key.partition(b":")[0] not in self._slugs):
            return None
        found = ordinary.read(value, key, latest)
        if found is None:
            return None
        said, source = found
        if touched is None:
            touched = self._held(key)
        changed = touched.person.take(said)
        if not (changed and touched.was_folded and key in self._pending):  # else all of it is noted already
            self._heard_of(key, touched, changed, real)
        return source

    def _heard_of(self, key: bytes, touched: Decoded, changed: bool, real: float) -> None:
        """Note that an event came for a person: whoever changed is evaluated, and who is new settles first."""
        if changed:
            self._note_touched(key, touched)
            touched.due_on = stored.DUE_NOW
            touched.was_folded = True
        elif key not in self._settling:
            return
        self._settling.pop(key, None)
        if touched.is_new:
            self._settling[key] = real + self._settle_seconds
            self._pending.pop(key, None)
        else:
            self._pending[key] = None

    def _held(self, key: bytes) -> Decoded:
        """A person as known now."""
        return self._touched.get(key) or self._lately.get(key) or Decoded.of(self._people, key)

    def _touch(self, key: bytes) -> Decoded:
        touched = self._held(key)
        self._note_touched(key, touched)
        return touched

    def _note_touched(self, key: bytes, touched: Decoded) -> None:
        if key not in self._touched:
            self._touched[key] = touched
            self._weight_touched += touched.weight

    def _wake_who_waits(self) -> None:
        """Have those looked at for whom something is unknown that the feeds of their council may have settled."""
        for key, touched in self._touched.items():   # what is stored of these is out of date
            if touched.waits_for_feed and key.partition(b":")[0].decode() in self._feeds_on:
                self._pending[key] = None
        for key, value in self._people.items():
            if stored.header(value).waits_for_feed and key.partition(b":")[0].decode() in self._feeds_on:
                self._due.add(key, stored.DUE_NOW)
        self._feeds_on.clear()

    def _pop_settled(self, real: float) -> bytes | None:
        """A new person for whom no event has come for long enough."""
        key = next(iter(self._settling), None)
        if key is None or self._settling[key] > real:
            return None
        del self._settling[key]
        return key

    def _is_due(self, key: bytes, day: int) -> bool:
        """Whether an entry of the due days still holds: its person may have got another day since, or be gone."""
        if key in self._touched:
            return self._touched[key].due_on == day
        value = self._people.get(key)
        return value is not None and (day == stored.DUE_NOW or stored.header(value).due_on == day)

    def _evaluate_or_settle(self, key: bytes, today: int, now: datetime, real: float) -> None:
        """A person never evaluated waits until no event for them has come for a while, so that their history is read first."""
        if key in self._settling or (key not in self._people and key not in self._touched):
            return
        touched = self._held(key)
        if touched.is_new:
            self._settling[key] = real + self._settle_seconds
        else:
            self._note_touched(key, touched)
            self._evaluate(key, touched, today, now)

    def _evaluate(self, key: bytes, touched: Decoded, today: int, now: datetime) -> None:
        ref, person, council = key.decode(), touched.person, key.partition(b":")[0].decode()
        self._not_looked_at.pop(key, None)
        touched.waits_for_feed = False
        if person.facts is None and person.erased_at is not None:
            self._publications += ledger.erase(ref, person)
            touched.due_on = _forgotten_on(person, touched.due_on, today)
            return
        rules = self._rulebook.rules_for(council)
        evaluation = None if rules is None else evaluate(
            person, rules.policy, today, self._feeds.of(council), ledger.open_keys(person), rules.more_feeds)
        if rules is None or evaluation is None:
            self._publications += ledger.close(ref, person, now, today)
            touched.due_on = LAST_DAY if person.ledger is None else person.ledger.next_change_on
            return
        self._publications += ledger.settle(ref, person, evaluation, rules.policy, rules.mark, now)
        assert person.ledger is not None
        touched.due_on = min(evaluation.next_change_on, person.ledger.next_change_on)
        touched.waits_for_feed = bool(rules.policy.feeds or rules.more_feeds) and _waits_for_feed(evaluation)


def _waits_for_feed(evaluation: Evaluation) -> bool:
    return any(clock.why is Why.FEEDS_BEHIND for clock in evaluation.clocks)


def _forgotten_on(person: Person, due_on: int, today: int) -> int:
    """When the last trace of an erased person goes: when the events topic no longer has what came before the erasure.

    Told from the first time the erasure was looked at, for it may have been recorded long before it came in.
    """
    assert person.erased_at is not None
    if person.registers:
        return LAST_DAY
    if due_on in (stored.DUE_NOW, LAST_DAY):
        return max(london_day(instant(person.erased_at)).toordinal(), today) + REMEMBERED_DAYS
    return FORGOTTEN if due_on <= today else due_on
