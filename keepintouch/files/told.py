"""What a row says: a statement, a reason why there is none, or that the mapping leaves it out."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.events import Contact, Person, Visit
from schemas.staff import Staff

T_co = TypeVar("T_co", bound=Person | Contact | Visit | Staff, covariant=True)


@dataclass(frozen=True, slots=True)
class Statement(Generic[T_co]):
    """What one row says."""

    row: int
    data: T_co
    stood_in: frozenset[str]
    """Fields that the file does not have, and for which something stands in."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that says nothing that can be used, and why. `column` and `value` are as the file has them; empty: the whole row."""

    row: int
    column: str
    value: str
    reason: str
    record_id: str | None = None
    """Which record it was about, where that much could be read; in a file of people or staff: the ref."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that the mapping leaves out."""

    row: int
    reason: str


Told = Statement[T_co] | Rejected | Skipped
