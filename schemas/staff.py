"""Who works for a council, on `care.staff.v1` (compacted, key `worker_ref`); a null value: gone."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .common import Council, Day, Message, WorkerRef

StaffRole = Literal["adviser", "manager", "service_manager", "duty"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MessageChannel = Literal["sms", "email"]


class Absence(Message):
    """A leave: from the first to the last day, both inclusive, Europe/London."""

    from_: Day = Field(alias="from", description="first day away")
    until: Day = Field(description="last day away")
    cover_ref: WorkerRef | None = Field(None, description="who covers; null: the worker's usual cover")


class Staff(Message):
    """One member of staff. Who writes it without knowing `absence` or `cover_ref` keeps what the topic has."""

    worker_ref: WorkerRef
    council: Council
    role: StaffRole = Field(description="a manager leads a team, the service manager its managers")
    name: str = Field(description="name to show to colleagues; never in a message")
    mobile: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = Field(None, description="for texts, E.164")
    email: str | None = Field(None, description="address for messages; null: none")
    team_ref: str | None = Field(None, description="team they belong to or lead")
    manager_ref: WorkerRef | None = Field(None, description="whom they answer to")
    channels: list[MessageChannel] = Field(description="for messages of the ladder, in order of preference")
    works: list[Weekday] = Field(default=["mon", "tue", "wed", "thu", "fri"], description="days worked")
    cover_ref: WorkerRef | None = Field(None, description="who covers on days not worked, and in an absence that names nobody")
    absence: Absence | None = Field(None, description="current or next leave")
    active: bool = Field(description="false: no longer works here")
