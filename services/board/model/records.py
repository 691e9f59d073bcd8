"""Records of the topics as the board keeps them: read quickly and held in little room. Pure.

What these say is defined in `schemas/`; a test holds the two against each other. A record that cannot be read is a ValueError.
"""
from __future__ import annotations

from datetime import date, datetime
from sys import intern

import msgspec


class Detail(msgspec.Struct, frozen=True, gc=False):
    """The contact there had been when an alert was published."""

    last_attempted_on: date | None = None
    last_messaged_on: date | None = None
    last_spoke_on: date | None = None
    last_seen_on: date | None = None
    last_seen_at_home_on: date | None = None
    met_adviser: bool | None = None
    written_since_anchor: int = 0
    attempts_since_anchor: int = 0
    strangers_only: bool = False


class Alert(msgspec.Struct, gc=False, eq=False):
    """The state of one alert, without what the board does not show. Not to be changed."""

    alert_id: str
    person_ref: str
    council: str
    rule: str
    standard: str
    status: str
    sequence: int
    severity: str
    anchor_on: date
    due_on: date
    opens_on: date
    mode: str
    detail: Detail
    detected_at: datetime
    adviser_ref: str | None = None
    team_ref: str | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    recording_lag_days: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open now."""
        return self.status == "open"


class Action(msgspec.Struct, gc=False):
    """What somebody did about an alert."""

    action_id: str
    alert_id: str
    action: str
    actor_ref: str
    at: datetime
    via: str
    until: date | None = None
    note_code: str | None = None


class Note(msgspec.Struct, frozen=True, gc=False):
    """What became of a message to staff."""

    notification_id: str
    alert_ids: tuple[str, ...]
    step: str
    state: str
    at: datetime
    recipient_ref: str | None = None
    ref: str | None = None
    reason: str | None = None


class Look(msgspec.Struct, frozen=True, gc=False):
    """Who looked at whom, or did what."""

    actor_ref: str
    what: str
    at: datetime
    page: str
    person_ref: str | None = None


_alert, _action = msgspec.json.Decoder(Alert), msgspec.json.Decoder(Action)
_NOTHING = Detail()
_note, _look = msgspec.json.Decoder(Note), msgspec.json.Decoder(Look)


def read_alert(value: bytes) -> Alert:
    """One record of the alerts; texts that many have in common are held once."""
    alert = _alert.decode(value)
    alert.council, alert.rule, alert.standard, alert.status = (
        intern(alert.council), intern(alert.rule), intern(alert.standard), intern(alert.status))
    alert.severity, alert.mode = intern(alert.severity), intern(alert.mode)
    alert.adviser_ref = None if alert.adviser_ref is None else intern(alert.adviser_ref)
    alert.team_ref = None if alert.team_ref is None else intern(alert.team_ref)
    if not alert.is_open:
        alert.detail = _NOTHING
    return alert


def read_action(value: bytes) -> Action:
    """One record of what people did."""
    action = _action.decode(value)
    action.action, action.actor_ref, action.via = intern(action.action), intern(action.actor_ref), intern(action.via)
    return action


def read_note(value: bytes) -> Note:
    """One record of the notifications."""
    return _note.decode(value)


def read_look(value: bytes) -> Look:
    """One record of the audit."""
    return _look.decode(value)
