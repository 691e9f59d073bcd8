"""What became of each message to staff, on `care.notifications.v1` (key `alert_id`). Never a body, number or name."""
from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from .common import Instant, Message, WorkerRef
from .staff import MessageChannel

Provider = Literal["twilio", "notify", "smtp", "console"]
NotificationState = Literal["held", "merged", "dropped", "sending", "accepted", "sent", "delivered", "undelivered", "failed",
                            "uncertain"]

FINAL_STATES: frozenset[NotificationState] = frozenset({"delivered", "undelivered", "failed"})
"""What a provider says last; records about one `provider_id` never leave these."""

MOST_IDS = 250
"""Alerts that one record names at most. Of a message about more each names a part, or ten thousand alerts would be gigabytes."""


class Notification(Message):
    """One message's state; a message about several alerts has one record under each alert's key, with the same id."""

    notification_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="unique per message")
    alert_ids: list[UUID] = Field(description="every alert the message is about; where they are very many, a part of them")
    recipient_ref: WorkerRef | None = Field(None, description="who gets it; null: nobody was found")
    ref: Annotated[str, Field(pattern=r"^[A-Z2-9]{4,8}$")] | None = Field(None, description="the text's Ref; replies quote it")
    step: str = Field(description="step of the ladder, or the kind of a message outside it")
    channel: MessageChannel | None = Field(None, description="null: none was chosen")
    provider: Provider | None = Field(None, description="who carries it; null: nobody was asked")
    template: str | None = Field(None, description="name of the wording")
    state: NotificationState = Field(description="delivered, undelivered, failed: final; uncertain: perhaps gone out")
    at: Instant = Field(description="when it came into this state")
    provider_id: str | None = Field(None, description="the provider's own id of the message")
    possible_duplicate: bool = Field(False, description="sent again without proof that the first was lost")
    reason: str | None = Field(None, description="why held, merged, dropped or failed")
