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

    action_id: Annotated[str, Field(min_length=1, max_length=128)]
    alert_id: UUID
    action: Action
    actor_ref: WorkerRef
    at: Instant
    via: Via
    until: Day | None = Field(None, description="for snooze and plan_visit")
    note_code: NoteCode | None = Field(None, description="for review: what supervision decided")
