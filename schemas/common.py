"""The field types that messages share: refs, slugs, instants and days."""
from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

REF_PATTERN = r"^[a-z0-9-]{2,32}:[A-Za-z0-9_-]{1,64}$"
COUNCIL_PATTERN = r"^[a-z0-9-]{2,32}$"
SLUG_PATTERN = r"^[a-z0-9_-]{1,64}$"
INSTANT_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"


class Message(BaseModel):
    """Base of all messages: unknown fields are ignored when read, values are never coerced from another JSON type."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Text:
    """A JSON string of one exact form that is read as a date or datetime; from Python the object itself is taken too."""

    def __init__(self, pattern: str, parsed: CoreSchema, format_: str, description: str) -> None:
        read = core_schema.chain_schema([core_schema.str_schema(pattern=pattern, strict=True), parsed])
        from_python = core_schema.union_schema([read, cast(CoreSchema, {**parsed, "strict": True})], mode="left_to_right")
        self._schema = core_schema.custom_error_schema(  # strict alone would take further forms of text from JSON
            core_schema.json_or_python_schema(json_schema=read, python_schema=from_python),
            custom_error_type=f"not_{format_}", custom_error_message=f"should be {description}")
        self._json = {"type": "string", "format": format_, "pattern": pattern, "description": description}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self._schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self._json)


Instant = Annotated[datetime, _Text(
    INSTANT_PATTERN,
    core_schema.datetime_schema(tz_constraint="aware", strict=False), "date-time", "RFC 3339 with an offset")]
"""A moment in time: RFC 3339 with an offset on the wire, an aware datetime in Python."""

Day = Annotated[date, _Text(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", core_schema.date_schema(strict=False), "date", "an ISO date (Europe/London)")]
"""A calendar day in Europe/London."""

Council = Annotated[str, Field(pattern=COUNCIL_PATTERN, description="slug of a council in the councils file")]
PersonRef = Annotated[str, Field(pattern=REF_PATTERN, description="pseudonym of a young person, after the slug of the council")]
WorkerRef = Annotated[str, Field(pattern=REF_PATTERN, description="pseudonym of a member of staff, after the council's slug")]
RecordId = Annotated[str, Field(min_length=1, max_length=128, description="the source's own stable id, unique in the council")]
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, description="a short name in lower case")]

MOST_COUNTED = 2**53 - 1
"""The greatest whole number that every reader of JSON has exactly (RFC 8259, section 6)."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
"""How many of something."""


def council_of(ref: str) -> str:
    """The council of a person or worker ref: the part before the colon."""
    return ref.partition(":")[0]
