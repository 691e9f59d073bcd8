"""What the gateway answers, and the bodies it reads that are no CloudEvents: the models that OpenAPI shows."""
from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.common import Count, Day, Instant, Message


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Problem(Answer):
    """Why a request as a whole was not done."""

    reason: str = Field(description="a word for programs")
    detail: str = Field(description="what is wrong and what to do, for people")


class Result(Answer):
    """What became of one event, or of one member of staff."""

    index: int = Field(description="its place in what was posted, from 0")
    id: str | None = Field(None, description="its own id, if it has one")
    result: Literal["accepted", "repeated", "refused"] = Field(description=(
        "accepted: it is on the topic; repeated: it was accepted before, with the same content, and nothing was done; refused: "
        "it is not on the topic, and sent again as it is would be refused again"))
    reason: str | None = Field(None, description="why refused, a word for programs")
    field: str | None = Field(None, description="path of the field that is wrong")
    detail: str | None = Field(None, description="what is wrong with it, without its value")
    left_out: list[str] | None = Field(None, description="fields that no message of this type has: they were not passed on")


class Results(Answer):
    """What became of each, in the order in which they were posted."""

    accepted: int
    repeated: int
    refused: int
    results: list[Result]


class FeedComplete(Message):
    """Everything of a feed up to a day is in."""

    complete_through: Day = Field(description="the last day that is in completely")
    records: Count = Field(description="how many records the extract had")
    recorded_at: Instant | None = Field(None, description="when the extract was made; left out: now")
    source: Annotated[str, Field(min_length=1)] | None = Field(None, description=(
        "which of the API key's sources it comes from; may be left out where the key is for one"))


class SourceShare(Answer):
    """What one source sent, and how much of it was bad."""

    source: str
    events: int = Field(description="posted here: accepted, repeated or refused")
    accepted: int
    repeated: int
    refused: int = Field(description="refused at the door: never on the topic")
    dead_letters: int = Field(description="refused by the monitor, however they came to the topic")
    share_bad: float | None = Field(description="refused and dead letters, of all; null: nothing was sent")
    reasons: dict[str, int] = Field(description="how many were refused at the door, by reason")


class Letter(Answer):
    """One event that was not accepted."""

    at: datetime
    source: str
    id: str | None = Field(description="the event's own id, if it could be read")
    where: Literal["door", "topic"] = Field(description="door: refused here; topic: a dead letter")
    reason: str
    field: str
    detail: str
    partition: int | None = Field(description="where a dead letter lies")
    offset: int | None


class Letters(Answer):
    """What was not accepted of what this API key's sources sent."""

    since: date
    sources: list[SourceShare]
    newest: list[Letter]
