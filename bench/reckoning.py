"""People folded and evaluated in memory by `keepintouch.standards`: what the engine alone does, with nothing around it."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b

from keepintouch.acceptance import Accepted, accept_event
from keepintouch.calendar import london_day
from keepintouch.standards import ledger, stored
from keepintouch.standards.evaluation import evaluate
from keepintouch.standards.ledger import Publication
from keepintouch.standards.person import Person
from keepintouch.standards.policy_file import load_policy
from schemas.alerts import alert_id
from schemas.events import Feed

from .events import COUNCIL, KeyValue
from .setting import POLICY

_COUNCILS = frozenset({COUNCIL})


class Reckoning:
    """A council's people, and the first day after the last evaluation on which anything may change for each."""

    def __init__(self) -> None:
        self.policy = load_policy(POLICY)
        self.people: dict[bytes, Person] = {}
        self.due_on: dict[bytes, int] = {}
        self.accepted = 0
        self._mark = ledger.policy_mark(self.policy)

    def fold(self, key: bytes, value: bytes, now: datetime) -> bool:
        """Fold in one event; says whether anything changed."""
        event = accept_event(value, key, (), now, _COUNCILS)
        if not isinstance(event, Accepted) or isinstance(event.data, Feed):
            raise ValueError("the made-up events are all good ones about people")
        self.accepted += 1
        person = self.people.get(key)
        if person is None:
            person = self.people[key] = Person()
        return person.fold(event.event_id, event.data)

    def fold_all(self, events: Iterable[KeyValue], now: datetime) -> None:
        """Fold in many."""
        for key, value in events:
            self.fold(key, value, now)

    def evaluate(self, key: bytes, now: datetime) -> list[Publication]:
        """Hold the policy against one person, as the monitor does; returns what is to be published."""
        person = self.people[key]
        evaluation = evaluate(person, self.policy, london_day(now).toordinal(), {}, ledger.open_keys(person))
        if evaluation is None:
            self.due_on[key] = stored.DUE_NOW
            return []
        published = ledger.settle(key.decode(), person, evaluation, self.policy, self._mark, now)
        assert person.ledger is not None
        self.due_on[key] = min(evaluation.next_change_on, person.ledger.next_change_on)
        return published

    def stored(self, key: bytes) -> bytes:
        """A person in the form in which the monitor keeps them."""
        return stored.dump(self.people[key], self.due_on.get(key, stored.DUE_NOW))


def fingerprint(person: Person) -> bytes:
    """The same for people of whom the same is known, whatever was published about them and when."""
    published, person.ledger = person.ledger, None
    try:
        return blake2b(stored.dump(person), digest_size=16).digest()
    finally:
        person.ledger = published


def open_alerts(key: bytes, person: Person) -> set[bytes]:
    """Keys on the alerts topic of what is open for a person."""
    return {alert_key(key, rule, anchor_on) for rule, anchor_on in ledger.open_keys(person)}


def alert_key(key: bytes, rule: str, anchor_on: int) -> bytes:
    """Key on the alerts topic."""
    return str(alert_id(key.decode(), rule, datetime.fromordinal(anchor_on).date().isoformat())).encode()
