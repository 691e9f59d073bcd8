"""Lengths of time as people write them in settings: ``10s``, ``90s``, ``30min``, ``1h``, ``5d``, ``2w``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHAPE = re.compile(r"(\d{1,6})(s|min|h|d|w)")


def parse_duration(text: str) -> timedelta:
    """Read a whole number and a unit of ``s``, ``min``, ``h``, ``d`` (24 hours) or ``w``; raise ValueError otherwise."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 10s, 30min, 1h, 5d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _read(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_read)]
"""A settings field of this type takes the spelling above, and a timedelta."""


def _not_too_short(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("give 1s or more")
    return value


AtLeastASecond = Annotated[Duration, AfterValidator(_not_too_short)]
"""A duration of one second or more."""
