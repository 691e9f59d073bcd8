"""The councils file (`COUNCILS_FILE`): the one place where a council is described. Read at start, by every service.

Loading checks everything that can be checked without other files; which policies there are is for their own loader to say.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from keepintouch.runtime.errors import UserError
from keepintouch.yaml_file import YamlError, read_yaml
from schemas.common import COUNCIL_PATTERN, SLUG_PATTERN, WorkerRef, council_of
from schemas.notifications import Provider
from schemas.staff import Weekday

SIGN_IN_LENGTH = 60
"""The longest sign-in address: a text of 160 characters must hold it beside the counts and the Ref."""

SMOKE_COUNCIL = "smoke-test"
"""Slug of the made-up council that `keepintouch smoke` works on. It is in no figure, and nobody real is in it."""

Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
CouncilSlug = Annotated[str, StringConstraints(pattern=COUNCIL_PATTERN)]
Delay = Annotated[str, StringConstraints(pattern=r"^\d{1,4}(s|min|h|d|w|wd)$")]
"""How long after: a number and `s`, `min`, `h`, `d`, `w` or `wd` (working days)."""
Target = Literal["adviser", "manager", "service_manager"]
"""Whom a step is for, seen from the alert."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Step(_Section):
    """One step of a ladder."""

    after: Delay = Field(description="from the release of the alert's first step")
    to: Annotated[list[Target], Field(min_length=1)]


class Ladder(_Section):
    """Who hears of an alert, and when, for as long as nobody does anything about it."""

    calendar: Literal["working_hours", "always"]
    weekly: Weekday | None = Field(None, description="day of the weekly message; left out: none")
    steps: Annotated[list[Step], Field(min_length=1)]
    critical: list[Step] = Field(default=[], description="instead of the first step; left out: the first step")


class Channels(_Section):
    """Providers in order of preference."""

    sms: list[Literal["twilio", "notify", "console"]] = []
    email: list[Literal["notify", "smtp", "console"]] = []

    @property
    def providers(self) -> frozenset[Provider]:
        """All that are named."""
        return frozenset([*self.sms, *self.email])


class Limits(_Section):
    """What a council thinks too much for one release."""

    storm_alerts: Annotated[int, Field(ge=0)] = Field(50, description="a release that opens more alerts than this")
    storm_share: Annotated[float, Field(ge=0, le=1)] = Field(0.2, description="and for more of its people than this share")


class Council(_Section):
    """One council."""

    name: Annotated[str, Field(min_length=1)]
    policy: Slug = Field(description="id of its policy")
    ladder: Slug = Field(description="one of `ladders`")
    fallback: WorkerRef = Field(description="who always gets what nobody else can")
    sign_in: str = Field(description="address of the board, without a trailing slash")
    people: Annotated[int, Field(ge=1)] | None = Field(None, description="care leavers; for the storm share")
    feeds: list[Slug] = Field(default=[], description="required besides the policy's own")
    case_link: str | None = Field(None, description="address of a case in the case system, with {id}")
    labels: str | None = Field(None, description="path of a CSV file `id,label`")
    channels: Channels
    limits: Limits = Limits()
    closed: list[date] = Field(default=[], description="days on which the council is closed besides weekends and bank holidays; "
                                                       "no message goes out and no working day is counted")

    @field_validator("sign_in")
    @classmethod
    def _short_and_plain(cls, value: str) -> str:
        value = value.rstrip("/")
        if not value.startswith(("https://", "http://")) or not value.isascii() or not value.isprintable() \
                or set(value) & set("[]{}^\\|~`\"<> "):
            raise ValueError("should be an https:// address of plain characters")
        if len(value) > SIGN_IN_LENGTH:
            raise ValueError(f"should have at most {SIGN_IN_LENGTH} characters, so that it fits into a text")
        return value

    @field_validator("case_link")
    @classmethod
    def _has_place(cls, value: str | None) -> str | None:
        if value is not None and "{id}" not in value:
            raise ValueError("should contain {id}")
        return value


class Councils(_Section):
    """The whole file."""

    councils: Annotated[dict[CouncilSlug, Council], Field(min_length=1)]
    ladders: Annotated[dict[Slug, Ladder], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for slug, council in self.councils.items():
            if council.ladder not in self.ladders:
                raise ValueError(f"council {slug}: ladder: there is no ladder {council.ladder!r} in `ladders`")
            if council_of(council.fallback) != slug:
                raise ValueError(f"council {slug}: fallback: should be a worker of this council ({slug}:...)")
        return self

    @property
    def slugs(self) -> frozenset[str]:
        """The councils there are."""
        return frozenset(self.councils)

    def ladder_of(self, slug: str) -> Ladder:
        """The ladder a council has now."""
        return self.ladders[self.councils[slug].ladder]


def load_councils(path: Path) -> Councils:
    """Read the councils file. Raises UserError that names the file, the council (or ladder) and the field."""
    try:
        raw = read_yaml(path)
    except YamlError as error:
        raise UserError(f"{error}; set COUNCILS_FILE to your councils file") from None
    try:
        return Councils.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {'; '.join(_line(e) for e in error.errors(include_url=False, include_input=False))}") from None


_KINDS = {"councils": "council", "ladders": "ladder"}


def _line(error: Any) -> str:
    path, message = list(error["loc"]), str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a setting that exists here"
    elif error["type"] == "string_type":
        message = "should be text (in quotation marks, if YAML would read it as something else)"
    if len(path) >= 2 and path[0] in _KINDS:
        place = f"{_KINDS[path[0]]} {path[1]}: " + ".".join(map(str, path[2:]))
    else:
        place = ".".join(map(str, path))
    place = place.rstrip(": ")
    return f"{place}: {message}" if place else message


def unsafe_addresses(councils: Mapping[str, Council]) -> list[str]:
    """Slugs of the councils whose sign-in address is plain http, sorted: for a demo only."""
    return sorted(slug for slug, council in councils.items() if not council.sign_in.startswith("https://"))
