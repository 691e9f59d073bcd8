"""What was not accepted, on `care.dead-letters.v1`: the original key, value and headers, and these headers besides."""
from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from .common import Instant, Message

Reason = Literal["too_large", "not_json", "not_cloudevent", "unknown_type", "schema", "key_mismatch", "unknown_council",
                 "future"]

REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order in which they are tested."""

MEANINGS: dict[Reason, str] = {
    "too_large": "the value is over 64 KiB",
    "not_json": "the value is no JSON in UTF-8, is empty, or there is none",
    "not_cloudevent": "not an object with specversion 1.0 and id, source and type as text; JSON null too",
    "unknown_type": "a type, or a major version of one, that is not known here",
    "schema": "a field is missing or has another form than its message says, or the subject is not what the data are about",
    "key_mismatch": "the Kafka key is not the one that the value asks for",
    "unknown_council": "the person's council is not in the councils file; not asked of a feed's manifest",
    "future": "took place or was recorded more than 24 hours ahead of now; of a manifest: complete through a day after today",
}
"""What each reason says of a record. Only events are refused as not_cloudevent, unknown_type, unknown_council or future."""

MAX_VALUE_BYTES = 64 * 1024


class DeadLetterHeaders(Message):
    """Headers added to the original ones; each is UTF-8 text."""

    reason: Reason = Field(description="the first test that failed, in the order of this list")
    detail: str = Field(description="which field, and what is wrong with it; never a value")
    topic: str = Field(description="where it was read")
    partition: Annotated[int, Field(ge=0)] = Field(description="its partition there")
    offset: Annotated[int, Field(ge=0)] = Field(description="its offset there")
    first_failed_at: Instant = Field(description="when it was first refused")
