"""What was done and said about alerts: actions, and what became of each message. Pure; in any order, any number of times."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from schemas.notifications import MOST_IDS
from services.board.model.records import Action, Note

WENT_OUT = frozenset({"sending", "accepted", "sent", "delivered", "undelivered", "failed", "uncertain"})
"""States of a message that was handed over to somebody who carries messages."""

OUTSIDE_LADDER = frozenset({"storm", "audit", "weekly"})
"""Kinds of messages about an alert that are no step of its ladder."""


class Log:
    """Actions and notifications of each alert."""

    def __init__(self) -> None:
        self._actions: dict[str, tuple[Action, ...]] = {}
        self._notes: dict[str, tuple[Note, ...]] = {}
        self._texts: dict[str, Note] = {}
        self._parts: dict[str, dict[str, Note]] = {}
        """Of messages about so many alerts that they are told of in parts: these, by the first alert of each."""

    def act(self, action: Action) -> bool:
        """Take note of an action; False if it was known."""
        if self.done(action.alert_id, action.action_id):
            return False
        self._actions[action.alert_id] = (*self._actions.get(action.alert_id, ()), action)
        return True

    def note(self, alert_id: str, note: Note) -> None:
        """Take note of what became of a message, under one of its alerts."""
        known = self._notes.get(alert_id, ())
        if note not in known:
            self._notes[alert_id] = (*known, note)
        if note.ref is not None:
            held = self._texts.get(note.ref)
            if (held is not None and held.notification_id == note.notification_id and held.alert_ids != note.alert_ids
                    and MOST_IDS in (len(held.alert_ids), len(note.alert_ids))):
                self._parts.setdefault(note.notification_id, {}).update({held.alert_ids[0]: held, note.alert_ids[0]: note})
            if held is None or held.at <= note.at:
                self._texts[note.ref] = note

    def forget(self, alert_id: str) -> None:
        """The alert is no more."""
        self._actions.pop(alert_id, None)
        self._notes.pop(alert_id, None)

    def done(self, alert_id: str, action_id: str) -> bool:
        """Whether this action is known."""
        return any(action.action_id == action_id for action in self._actions.get(alert_id, ()))

    def actions(self, alert_id: str) -> list[Action]:
        """What was done about an alert, oldest first."""
        return sorted(self._actions.get(alert_id, ()), key=lambda action: (action.at, action.action_id))

    def notes(self, alert_id: str) -> list[Note]:
        """What became of the messages about an alert, oldest first."""
        return sorted(self._notes.get(alert_id, ()), key=lambda note: note.at)

    def text(self, ref: str) -> Note | None:
        """The newest record of the newest text with this Ref, with all the alerts it is about."""
        note = self._texts.get(ref)
        if note is None or note.notification_id not in self._parts:
            return note
        parts = self._parts[note.notification_id].values()
        return replace(note, alert_ids=tuple(each for part in parts for each in part.alert_ids))

    def held(self, alert_ids: Iterable[str], reason: str) -> list[tuple[str, Note]]:
        """The alerts of which a step is held for this reason, with what says so."""
        return [(alert_id, note) for alert_id in alert_ids
                if (note := held_for(self.notes(alert_id), reason)) is not None]


def held_for(notes: Sequence[Note], reason: str) -> Note | None:
    """The newest of an alert's records, oldest first, if by that a step of its ladder waits for this reason. What goes out
    otherwise, such as the question to the service manager whether to release it, ends no hold.
    """
    last = next((note for note in reversed(notes) if note.step not in OUTSIDE_LADDER), None)
    return last if last is not None and last.state == "held" and last.reason == reason else None
