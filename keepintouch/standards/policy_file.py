"""Policies as YAML files: read, checked, and joined with what they inherit.

A mistake is a `PolicyError` whose lines name the file, the standard (where there is one) and the field.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from keepintouch.yaml_file import YamlError, read_yaml
from schemas.alerts import Severity
from schemas.common import MOST_COUNTED, SLUG_PATTERN
from schemas.events import AccommodationCode, Category, CouncilRole, Direction, InTouchCode, Location, Need

from .conditions import Conditions
from .intervals import NONE, Interval, Unit
from .ladder import RUNGS, Rung
from .policy import Despite, Headline, Needs, Policy, Standard, Start, Who

T = TypeVar("T")

SHIPPED = Path(__file__).parent / "policies"
"""The policies that come with the package."""

DEFAULT_IN_TOUCH = Headline(Rung.MESSAGED, Interval(3, Unit.MONTHS))
DEFAULT_MEANINGFUL_WITHIN = Interval(8, Unit.WEEKS)
DEFAULT_WARN = Interval(7, Unit.DAYS)


class PolicyError(Exception):
    """A policy that cannot be loaded: each of its `problems` is one line that names file, standard and field."""

    def __init__(self, *problems: str) -> None:
        super().__init__(problems[0])
        self.problems = problems


def _interval(value: object) -> object:
    return Interval.parse(value) if isinstance(value, str) else value


def _rung(value: object) -> object:
    if isinstance(value, str) and value not in RUNGS:
        raise ValueError(f"{value!r} is no rung: one of {', '.join(RUNGS)}")
    return RUNGS[value] if isinstance(value, str) else value


Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
WrittenInterval = Annotated[Interval, BeforeValidator(_interval)]
WrittenRung = Annotated[Rung, BeforeValidator(_rung)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _Conditions(_Part):
    ages: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    categories: list[Category] | None = None
    council_provided: bool | None = None
    accommodation: list[AccommodationCode] | None = None
    hostel: bool | None = None
    suitable: bool | None = None
    need: list[Need] | None = None
    looked_after: bool | None = None
    no_face_to_face: bool | None = None
    moved_within: WrittenInterval | None = None
    in_touch: list[InTouchCode] | None = None
    adviser: Literal["none", "some"] | None = None
    opted_out: bool | Literal["any"] | None = None

    def read(self, **defaults: object) -> Conditions:
        stated = defaults | {name: value for name in _Conditions.model_fields if (value := getattr(self, name)) is not None}
        return Conditions(tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in stated.items()))


class _Needs(_Part):
    rung: WrittenRung
    by: Literal["any", "known", "adviser"] = "any"
    roles: list[CouncilRole] | None = None
    announced: bool | None = None
    seen_alone: bool | None = None
    at: list[Location] | None = None
    ever: bool = False

    def read(self) -> Needs:
        return Needs(self.rung, Who(self.by), None if self.roles is None else frozenset(self.roles), self.announced,
                     self.seen_alone, None if self.at is None else frozenset(self.at), self.ever)


class _Despite(_Part):
    rung: WrittenRung | None = None
    rung_is: WrittenRung | None = None
    channel: Literal["written"] | None = None
    direction: Direction | None = None
    by: Literal["stranger"] | None = None
    count: Annotated[int, Field(ge=1)] = 1

    def read(self) -> Despite:
        return Despite(self.rung, self.rung_is, self.channel is not None, self.direction, self.by is not None, self.count)


class _Standard(_Part):
    rule: Slug
    text: Annotated[str, Field(min_length=1)]
    basis: Annotated[str, Field(min_length=1)]
    severity: Severity
    when: _Conditions = _Conditions()
    unless: _Conditions | None = None
    needs: _Needs | None = None
    from_: Annotated[Literal["supported_since", "adviser_since", "accommodation_since", "plan_reviewed_on", "offer_made_on",
                             "opt_out_review_on"], Field(alias="from")] = "supported_since"
    every: WrittenInterval | None = None
    within: WrittenInterval | None = None
    despite: _Despite | None = None
    grace: WrittenInterval = NONE

    @model_validator(mode="after")
    def _has_one_clock(self) -> Self:
        if (self.every is None) == (self.within is None):
            raise ValueError("a standard needs a clock: either every or within")
        if self.needs is not None and self.needs.ever and self.within is None:
            raise ValueError("needs.ever goes only with within")
        return self

    def read(self, policy_id: str, k: int, place: int) -> Standard:
        unless = None if self.unless is None else self.unless.read()
        if unless is not None and not unless.stated:  # {} or nothing but nulls: excludes nobody
            unless = None
        return Standard(
            id=f"{policy_id}/{self.rule}/{k}", place=place, rule=self.rule, text=self.text, basis=self.basis,
            severity=self.severity, interval=cast(Interval, self.every or self.within), recurring=self.every is not None,
            when=self.when.read(opted_out=False), unless=unless, needs=None if self.needs is None else self.needs.read(),
            start=Start(self.from_), despite=None if self.despite is None else self.despite.read(), grace=self.grace)


class _InTouch(_Part):
    rung: WrittenRung | None = None
    within: WrittenInterval | None = None


class _Meaningful(_Part):
    within: WrittenInterval | None = None


class _File(_Part):
    id: Slug
    version: Annotated[int, Field(ge=-MOST_COUNTED, le=MOST_COUNTED)] | Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    extends: Slug | None = None
    in_touch: _InTouch = _InTouch()
    meaningful: _Meaningful = _Meaningful()
    warn: WrittenInterval | None = None
    feeds: list[Slug] | None = None
    cannot_see: list[Slug] = []
    standards: list[_Standard]


def load_policy(id_or_file: str, folder: Path = SHIPPED) -> Policy:
    """Load a policy by its id from a folder, or from a file; what it extends is looked up beside the file, then in the folder.

    A `PolicyError` says what is wrong; one that does not exist says which there are.
    """
    path = Path(id_or_file)
    if path.suffix in (".yaml", ".yml") or path.parent != Path():
        if not path.is_file():
            raise PolicyError(f"{path}: there is no such policy file")
        return _join(list(_chain(path, folder)))
    if not (folder / f"{id_or_file}.yaml").is_file():
        raise PolicyError(f"there is no policy {id_or_file!r} in {folder}: it has {', '.join(policy_ids(folder)) or 'none'}")
    return _join(list(_chain(folder / f"{id_or_file}.yaml", folder)))


def policy_ids(folder: Path = SHIPPED) -> list[str]:
    """The ids of the policies in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _chain(path: Path, folder: Path) -> Iterator[tuple[Path, _File]]:
    """A policy file and those it extends, child first: each beside the one that extends it, else in the folder."""
    seen: list[Path] = []
    child: Path | None = None
    while True:
        if path.resolve() in seen:
            raise PolicyError(f"{cast(Path, child)}: field extends: {path.stem} is among those that it extends: a cycle")
        seen.append(path.resolve())
        file = _read(path)
        yield path, file
        if file.extends is None:
            return
        child, wanted = path, f"{file.extends}.yaml"
        found = next((place / wanted for place in (child.parent, folder) if (place / wanted).is_file()), None)
        if found is None:
            raise PolicyError(f"{child}: field extends: there is no {wanted} beside it or in {folder}")
        path = found


def _read(path: Path) -> _File:
    try:
        raw = read_yaml(path)
    except YamlError as error:
        raise PolicyError(str(error)) from None
    if not isinstance(raw, dict):
        raise PolicyError(f"{path}: a policy is a mapping with id, version, title and standards")
    try:
        file = _File.model_validate(raw)
    except ValidationError as error:
        raise PolicyError(*(_problem(path, raw, e) for e in error.errors())) from None
    if file.id != path.stem and path.parent == SHIPPED:
        raise PolicyError(f"{path}: field id: {file.id!r} is not the name of its file")
    return file


def _join(chain: list[tuple[Path, _File]]) -> Policy:
    """The effective policy: lists add up from the parent down, single values come from the nearest that states them."""
    leaf = chain[0][1]
    standards: list[Standard] = []
    unseen: set[str] = set()
    for where, file in reversed(chain):
        counts: dict[str, int] = {}
        for standard in file.standards:
            counts[standard.rule] = counts.get(standard.rule, 0) + 1
            standards.append(standard.read(file.id, counts[standard.rule], len(standards)))
        known = {standard.rule for standard in standards}
        if missing := [rule for rule in file.cannot_see if rule not in known]:
            raise PolicyError(f"{where}: field cannot_see: no standard has the rule {missing[0]!r}; "
                              f"the rules are {', '.join(sorted(known)) or 'none'}")
        unseen.update(file.cannot_see)
    files = [file for _, file in chain]
    return Policy(
        leaf.id, leaf.version, leaf.title,
        Headline(_nearest([f.in_touch.rung for f in files], DEFAULT_IN_TOUCH.rung),
                 _nearest([f.in_touch.within for f in files], DEFAULT_IN_TOUCH.within)),
        _nearest([f.meaningful.within for f in files], DEFAULT_MEANINGFUL_WITHIN),
        _nearest([f.warn for f in files], DEFAULT_WARN),
        frozenset(_nearest([f.feeds for f in files], [])), frozenset(unseen), tuple(standards))


def _nearest(stated: list[T | None], default: T) -> T:
    return next((value for value in stated if value is not None), default)


def _problem(path: Path, raw: dict[str, Any], error: ErrorDetails) -> str:
    """One line about one mistake."""
    loc = list(error["loc"])
    where = str(path)
    if len(loc) > 1 and loc[0] == "standards" and isinstance(loc[1], int):
        stated = raw["standards"][loc[1]]
        rule = stated.get("rule") if isinstance(stated, dict) else None
        where += f": standard {loc[1] + 1}" + (f" ({rule})" if isinstance(rule, str) else "")
        loc = loc[2:]
    names = [f"[{part + 1}]" if isinstance(part, int) else str(part) for part in loc if not _is_branch(part)]
    field = ".".join(names).replace(".[", "[") or "every, within"
    message = error["msg"].removeprefix("Value error, ")
    if isinstance(error["input"], bool) and error["type"] not in ("bool_type", "extra_forbidden"):
        message = f'YAML reads this as {str(error["input"]).lower()}; put it in quotes: "NO", "YES"'
    elif error["type"] == "extra_forbidden":
        message = "there is no such field here"
    return f"{where}: field {field}: {message}"


def _is_branch(part: object) -> bool:
    """Whether a place in pydantic's path is a member of a union, not a field."""
    return isinstance(part, str) and (part in ("bool", "int", "str", "constrained-int", "constrained-str") or "[" in part)
