"""What was done and said about alerts: actions, and what became of each message. Pure; in any order, any number of times."""
from __future__ import annotations

from collections.abc import Iterable

from services.board.model.records import Action, Note

WENT_OUT = frozenset({"sending", "accepted", "sent", "delivered", "undelivered", "failed", "uncertain"})
"""States of a message that was handed over to somebody who carries messages."""


class Log:
    """Actions and notifications of each alert."""

    def __init__(self) -> None:
        self._actions: dict[str, tuple[Action, ...]] = {}
        self._notes: dict[str, tuple[Note, ...]] = {}
        self._texts: dict[str, Note] = {}

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
        """The newest record of the newest text with this Ref."""
        return self._texts.get(ref)

    def held(self, alert_ids: Iterable[str], reason: str) -> list[tuple[str, Note]]:
        """The alerts whose newest record says that a step is held for this reason."""
        found = []
        for alert_id in alert_ids:
            notes = self.notes(alert_id)
            if notes and notes[-1].state == "held" and notes[-1].reason == reason:
                found.append((alert_id, notes[-1]))
        return found
