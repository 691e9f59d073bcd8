"""A mapping: which column of an export feeds which field, and what its values mean. YAML, written by `keepintouch map`.

```yaml
kind: contacts                     # people | contacts | visits | staff
feed: casenotes                    # names its records and its manifest
files: casenotes*.csv              # in a watched folder: which files it is for
dates: [dd/mm/yyyy]                # how days are written, tried in order
widths: {person: 6}                # a spreadsheet made 123 of 000123: put the zeros back
columns:
  person_ref: Client ID
  occurred_at: {column: [Contact Date, Date of contact], time: Contact Time}
types:                             # one column that says several things at once
  column: Case Note Type
  values:
    Telephone call: {channel: phone, direction: out, outcome: completed}
    Home visit: {as: visit, location: home, outcome: seen}
    Supervision: skip
codes:
  outcome: {"Yes": completed, "DNA": no_reply}
constants: {worker_role: personal_adviser}
skip: {Status: [Draft, Deleted]}   # "" stands for an empty cell
```
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from keepintouch.runtime.errors import UserError
from keepintouch.yaml_file import YamlError, read_yaml
from schemas.common import SLUG_PATTERN

from .dates import FORMATS, Dates
from .fields import COLUMNS, FIELDS, Kind, Shape
from .tables import Layout

SKIP, REJECT = "skip", "reject"
BLANKS = ("", "#n/a", "n/a", "null", "nan", "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "-")
"""What an empty cell looks like in exports, compared without case."""


def plain(text: str) -> str:
    """A heading or value as it is compared: letter case and space do not matter."""
    return " ".join(text.split()).casefold()


def slug_like(text: str) -> str:
    """A value as one of the codes of the messages would be written: `Face to face` is `face_to_face`."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")


def _written(value: object) -> object:
    """What a cell says: a number is taken as its text; YAML's yes and no are a mistake, as they are not what the file has."""
    if isinstance(value, bool):
        raise ValueError("should be in quotation marks: YAML reads Yes, No, On and Off as true and false")
    return str(value) if isinstance(value, int | float) else "" if value is None else value


def _meant(value: object) -> object:
    return "yes" if value is True else "no" if value is False else _written(value)


def _many(value: object) -> object:
    return value if isinstance(value, list) else [value]


Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
Written = Annotated[str, BeforeValidator(_written)]
Meant = Annotated[str, BeforeValidator(_meant)]
Headings = Annotated[list[Written], BeforeValidator(_many), Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """The column that feeds a field: the first of these headings that the file has. `*` stands for anything."""

    column: Headings
    time: Headings | None = Field(None, description="column with the time of day, where it is apart")


class Types(_Part):
    """One column whose values say several fields at once, as case-note types do."""

    column: Headings
    values: dict[Written, Literal["skip", "reject"] | dict[Slug, Meant]]
    otherwise: Literal["skip", "reject"] = Field("reject", description="what is done with a type that is not listed")


class Widths(_Part):
    """How many digits ids of digits only have: shorter ones are filled with zeros from the left, longer ones rejected."""

    person: Annotated[int, Field(ge=1, le=32)] | None = None
    worker: Annotated[int, Field(ge=1, le=32)] | None = None
    record: Annotated[int, Field(ge=1, le=32)] | None = None


def _source(value: object) -> object:
    return value if isinstance(value, dict) else {"column": value}


class Mapping(_Part):
    """How one export is to be read."""

    kind: Kind
    feed: Slug = Field(description="names its records and its manifest")
    files: str | None = Field(None, description="in a watched folder: names of the files it is for, such as casenotes*.csv")
    sheet: str | None = Field(None, description="of a workbook with several")
    header_row: Annotated[int, Field(ge=1)] | None = Field(None, description="row with the headings, where it is not found")
    encoding: str | None = None
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    dates: Annotated[list[str], Field(min_length=1)] = list(FORMATS)
    widths: Widths = Widths()
    columns: dict[Slug, Annotated[Source, BeforeValidator(_source)]]
    types: Types | None = None
    codes: dict[Slug, dict[Written, Meant]] = {}
    constants: dict[Slug, Meant] = {}
    cohorts: dict[Slug, Annotated[Source, BeforeValidator(_source)]] = Field(
        default={}, description="cohort and the column that says yes of who belongs to it")
    skip: dict[Written, Annotated[list[Written], BeforeValidator(_many)]] = Field(
        default={}, description="rows that are left out: heading and values")
    blanks: list[Written] = Field(default=[], description="further values that mean an empty cell")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for known, names in ((COLUMNS, [*self.columns, *self.codes]), (FIELDS, self.constants)):
            if unknown := next((name for name in names if name not in known[self.kind]), None):
                raise ValueError(f"{unknown}: is no field of {self.kind}; there are {', '.join(known[self.kind])}")
        if (lost := next((name for name in self.columns if name not in FIELDS[self.kind]), None)) and not self._makes_visits:
            raise ValueError(f"{lost}: only visits have it, and `types` makes no row one (`as: visit`)")
        if self.cohorts and self.kind != "people":
            raise ValueError("cohorts: only people have them")
        Dates(tuple(self.dates))
        for where, field, value in self._meanings():
            _check_meaning(where, field, value, self.kind)
        return self

    @property
    def _makes_visits(self) -> bool:
        return self.types is not None and any(isinstance(each, dict) and "as" in each for each in self.types.values.values())

    def _meanings(self) -> Iterator[tuple[str, str, str]]:
        """What is said of fields here rather than by cells: where, which field, what."""
        for name, value in self.constants.items():
            yield f"constants.{name}", name, value
        for name, values in self.codes.items():
            for written, value in values.items():
                if value not in (SKIP, REJECT) or COLUMNS[self.kind][name].shape not in _REJECTABLE[value]:
                    yield f"codes.{name}.{written}", name if name in FIELDS[self.kind] else f"visits:{name}", value
        for written, meaning in (self.types.values if self.types is not None else {}).items():
            if isinstance(meaning, dict):
                visit = meaning.get("as") == "visit"
                for name, value in meaning.items():
                    yield f"types.{written}.{name}", ("visits:" if visit else "") + name, value

    @property
    def layout(self) -> Layout:
        """Where in the file the table is."""
        return Layout(self.sheet, self.header_row, self.encoding, self.separator)


_REJECTABLE = {SKIP: (Shape.CODE,), REJECT: (Shape.CODE, Shape.FLAG)}
"""Fields whose rows a value may leave out, or reject."""


def _check_meaning(where: str, name: str, value: str, kind: Kind) -> None:
    if name.removeprefix("visits:") == "as":
        if kind != "contacts" or value != "visit":
            raise ValueError(f"{where}: can only be `visit`, and only in a file of contacts")
        return
    known = FIELDS["visits" if name.startswith("visits:") else kind]
    field = known.get(name.removeprefix("visits:"))
    if field is None:
        raise ValueError(f"{where}: is no field of {'visits' if name.startswith('visits:') else kind}; there are "
                         f"{', '.join(known)}")
    if field.shape in (Shape.CODE, Shape.CODES):
        for each in value.split(";") if field.shape is Shape.CODES else [value]:
            if each.strip() not in (*field.options, ""):
                raise ValueError(f"{where}: should be one of {', '.join(field.options)}")
    if field.shape is Shape.FLAG and value not in ("yes", "no", ""):
        raise ValueError(f"{where}: should be yes or no")


def default_mapping(kind: Kind) -> Mapping:
    """The mapping of a file that has the headings of `keepintouch template`."""
    columns = {name: [name, *_OTHER_NAMES.get(name, [])] for name in FIELDS[kind]}
    return Mapping.model_validate({"kind": kind, "feed": kind, "columns": columns})


_OTHER_NAMES = {name: [name.replace("_ref", "_id")] for fields in FIELDS.values() for name in fields if name.endswith("_ref")
                and name != "team_ref"}


def load_mapping(path: Path) -> Mapping:
    """Read a mapping. Raises UserError that names the file and the place in it."""
    try:
        raw = read_yaml(path)
    except YamlError as error:
        raise UserError(str(error)) from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: is no mapping: one is YAML, as 'keepintouch map' writes it")
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_line(error.errors(include_url=False, include_input=False)[0])}") from None


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith(("function-", "dict[", "literal[")))
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is nothing that can be said here"
    elif error["type"] == "missing":
        message = "is missing"
    return f"{place}: {message}" if place else message
