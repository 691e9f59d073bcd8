"""What people did about an alert, on `care.alert-actions.v1` (key `alert_id`)."""
from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from .common import Day, Instant, Message, WorkerRef

Action = Literal["acknowledge", "snooze", "plan_visit", "seen_already", "not_mine", "refused", "review", "release"]
Via = Literal["sms", "board", "cli"]
NoteCode = Literal["supervision", "visit_arranged", "reallocated", "plan_changed", "no_action"]


class AlertAction(Message):
    """One action on one alert by one member of staff."""

    action_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="unique; a reply read twice has one")
    alert_id: UUID = Field(description="the alert acted on")
    action: Action = Field(description=(
        "acknowledge: on it; seen_already: seen, not yet typed up; not_mine: to the manager; refused: contact is refused; "
        "review: a manager looked at it; release: send what is held"))
    actor_ref: WorkerRef = Field(description="who acted")
    at: Instant = Field(description="when they acted")
    via: Via = Field(description="the way they acted: reply to a text, a page of the board, or the command line")
    until: Day | None = Field(None, description="for snooze: held until this day begins; for plan_visit: its day")
    note_code: NoteCode | None = Field(None, description="for review: what supervision decided")
