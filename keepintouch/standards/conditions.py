"""Conditions: whom a standard covers. Every given condition must hold; none about an unknown fact does."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .circumstances import Circumstances
from .intervals import Interval

Test = Callable[[Circumstances], bool]


def _moved_within(window: Interval) -> Test:
    return lambda c: c.moved_on is not None and c.today <= window.after(c.moved_on)


TESTS: dict[str, Callable[[Any], Test]] = {
    "ages": lambda span: lambda c: span[0] <= c.age <= span[1],
    "categories": lambda categories: lambda c: c.category in categories,
    "council_provided": lambda wanted: lambda c: c.council_provided is wanted,
    "accommodation": lambda codes: lambda c: c.code in codes,
    "hostel": lambda wanted: lambda c: c.hostel is wanted,
    "suitable": lambda wanted: lambda c: c.suitable is wanted,
    "need": lambda needs: lambda c: c.need in needs,
    "looked_after": lambda wanted: lambda c: c.looked_after is wanted,
    "no_face_to_face": lambda wanted: lambda c: c.no_face_to_face is wanted,
    "moved_within": _moved_within,
    "in_touch": lambda codes: lambda c: c.in_touch in codes,
    "adviser": lambda wanted: lambda c: c.has_adviser is (wanted == "some"),
    "opted_out": lambda wanted: lambda c: wanted == "any" or c.opted_out is wanted,
}
"""How each condition a policy may state is held against a person's circumstances."""


@dataclass(frozen=True)
class Conditions:
    """Conditions by their names, with the values stated: `{"ages": (18, 20), "hostel": True}`."""

    stated: tuple[tuple[str, Any], ...]

    @cached_property
    def _tests(self) -> tuple[tuple[str, Test], ...]:
        return tuple((name, TESTS[name](value)) for name, value in self.stated)

    def failing(self, c: Circumstances) -> str | None:
        """The name of the first condition that does not hold; None where all hold."""
        for name, holds in self._tests:
            if not holds(c):
                return name
        return None

    @property
    def move_windows(self) -> frozenset[Interval]:
        """The interval of `moved_within`, where stated."""
        return frozenset(value for name, value in self.stated if name == "moved_within")
