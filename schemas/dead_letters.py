"""What was not accepted, on `care.dead-letters.v1`: the original key, value and headers, and these headers besides."""
from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from .common import Instant, Message

Reason = Literal["too_large", "not_json", "not_cloudevent", "unknown_type", "schema", "key_mismatch", "unknown_council",
                 "future"]

REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order in which they are tested."""

MAX_VALUE_BYTES = 64 * 1024


class DeadLetterHeaders(Message):
    """Headers added to the original ones; each is UTF-8 text."""

    reason: Reason = Field(description="the first test that failed, in the order of this list")
    detail: str = Field(description="which field, and what is wrong with it; never a value")
    topic: str = Field(description="where it was read")
    partition: Annotated[int, Field(ge=0)] = Field(description="its partition there")
    offset: Annotated[int, Field(ge=0)] = Field(description="its offset there")
    first_failed_at: Instant = Field(description="when it was first refused")
