"""Everything the board knows, as one thing: records of the topics are folded in, pages ask. Locked by who uses it."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec

from keepintouch.calendar import london_day
from keepintouch.councils import Councils
from keepintouch.rulebook import CouncilRules
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, AUDIT, NOTIFICATIONS, STAFF
from keepintouch.standards import stored
from keepintouch.standards.explanation import Explanation, explain
from keepintouch.standards.ledger import open_keys
from keepintouch.standards.world import Feeds
from schemas.common import council_of
from services.board.model.log import Log
from services.board.model.people import People, Place
from services.board.model.records import Action, Alert, Look, read_action, read_alert, read_look, read_note
from services.board.model.staff import Staff
from services.board.model.standing import Standing, month_ends, standing_of

LOOKS_KEPT = 100_000
"""Newest entries of the audit kept for the page; the command line reads them all."""

AlertChanged = Callable[[Alert | None, Alert], None]


@dataclass(slots=True)
class Model:
    """Built once; one thread folds, others ask, each holding `lock` meanwhile."""

    councils: Councils
    rules: Mapping[str, CouncilRules]
    now: Callable[[], datetime]
    changed: AlertChanged | None = None
    """Told of each alert that was new or is otherwise than before."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    people: People = field(default_factory=People)
    staff: Staff = field(default_factory=Staff)
    log: Log = field(default_factory=Log)
    feeds: Feeds = field(default_factory=Feeds)
    alerts: dict[str, Alert] = field(default_factory=dict)
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=LOOKS_KEPT))
    unreadable: int = 0
    """Records that could not be read and were passed over."""
    _of_person: dict[str, frozenset[str]] = field(default_factory=dict)
    _standings: dict[str, tuple[bytes, Standing | None]] = field(default_factory=dict)
    _ends: tuple[int, tuple[int, ...]] = (0, ())

    @property
    def today(self) -> date:
        """The London date now."""
        return london_day(self.now())

    def fold(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Take one record; what is on no topic of its own is the people changelog. What cannot be read is counted."""
        try:
            self._take(topic, (key or b"").decode(), value)
        except stored.StoredFormError:
            raise
        except (ValueError, msgspec.MsgspecError):
            self.unreadable += 1

    def alerts_of(self, person_ref: str) -> list[Alert]:
        """All alerts known of a person, the newest first."""
        return sorted((self.alerts[each] for each in self._of_person.get(person_ref, ())),
                      key=lambda alert: (alert.opens_on, alert.alert_id), reverse=True)

    def actions_about(self, alert_id: str) -> list[Action]:
        """What was done about an alert by staff of its own council, oldest first; what others claim counts for nothing."""
        alert = self.alerts.get(alert_id)
        if alert is None:
            return []
        return [each for each in self.log.actions(alert_id) if council_of(each.actor_ref) == alert.council]

    def place_of(self, alert: Alert) -> Place:
        """Where the person of an alert belongs: as now known, else as the alert says."""
        return self.people.place(alert.person_ref) or Place(alert.person_ref, alert.adviser_ref, alert.team_ref)

    def standing(self, ref: str) -> Standing | None:
        """How a person stands today; None for one who is not known, or of no council that is served."""
        value, place, today = self.people.stored(ref), self.people.place(ref), self.today.toordinal()
        if value is None or place is None or (rules := self.rules.get(place.council)) is None:
            return None
        held = self._standings.get(ref)
        if held is not None and held[0] is value and _still_holds(held[1], today):
            return held[1]
        person = stored.load(value)
        found = standing_of(person, place, rules, today, self.feeds.of(place.council), self.month_ends(today))
        self._standings[ref] = value, found
        return found

    def standings(self, refs: Iterable[str]) -> list[Standing]:
        """How these people stand today; those unknown are left out."""
        return [found for ref in refs if (found := self.standing(ref)) is not None]

    def explanation(self, ref: str) -> Explanation | None:
        """Why a person stands so today."""
        person, rules = self.people.person(ref), self.rules.get(council_of(ref))
        if person is None or rules is None:
            return None
        return explain(person, rules.policy, self.today.toordinal(), self.feeds.of(council_of(ref)), open_keys(person),
                       rules.more_feeds)

    def month_ends(self, today: int) -> Sequence[int]:
        """The ends of the last months."""
        if self._ends[0] != today:
            self._ends = today, month_ends(today)
        return self._ends[1]

    def open_alerts(self, refs: Iterable[str]) -> list[Alert]:
        """Open alerts of these people."""
        return [alert for ref in refs for each in self._of_person.get(ref, ()) if (alert := self.alerts[each]).is_open]

    def _take(self, topic: str, key: str, value: bytes | None) -> None:
        match topic:
            case str() if topic == ALERTS:
                self._alert(key, value)
            case str() if topic == STAFF:
                if value is None:
                    self.staff.remove(key)
                else:
                    self.staff.put(value)
            case str() if topic == ALERT_ACTIONS:
                if value is not None:
                    self.log.act(read_action(value))
            case str() if topic == NOTIFICATIONS:
                if value is not None:
                    self.log.note(key, read_note(value))
            case str() if topic == AUDIT:
                if value is not None:
                    self.looks.append(read_look(value))
            case _:
                self._state(key, value)

    def _state(self, key: str, value: bytes | None) -> None:
        raw = key.encode()
        if stored.is_of_state(raw):
            return
        feed = stored.feed_of(raw)
        if feed is None:
            self.people.put(key, value)
            if self.people.stored(key) is None:
                self._standings.pop(key, None)
        elif value is not None:
            self.feeds.restore(*feed, stored.load_feed(value))
            self._standings.clear()   # whether anything is unknown may have changed for everybody

    def _alert(self, key: str, value: bytes | None) -> None:
        before = self.alerts.get(key)
        if value is None:
            if before is not None:
                del self.alerts[key]
                self._of_person[before.person_ref] -= {key}
                if not self._of_person[before.person_ref]:
                    del self._of_person[before.person_ref]
            self.log.forget(key)
            return
        alert = read_alert(value)
        if before is not None and alert.sequence < before.sequence:
            return
        key = alert.alert_id if before is None else before.alert_id
        self.alerts[key] = alert
        self._of_person[alert.person_ref] = self._of_person.get(alert.person_ref, frozenset()) | {key}
        if self.changed is not None:
            self.changed(before, alert)


def _still_holds(standing: Standing | None, today: int) -> bool:
    return standing is not None and standing.today == today
