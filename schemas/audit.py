"""Who looked at whom, on `care.audit.v1` (key `actor_ref`)."""
from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .common import Instant, Message, PersonRef, WorkerRef


class AuditEntry(Message):
    """One look at a person's page, or one action."""

    actor_ref: WorkerRef = Field(description="who looked or acted")
    person_ref: PersonRef | None = Field(None, description="about whom; null: about no one in particular")
    what: Annotated[str, Field(min_length=1, description="`viewed` or the action")]
    at: Instant = Field(description="when")
    page: str = Field(description="path of the page")
