"""What comes into a shard and what goes out of it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keepintouch.acceptance import Refused
from keepintouch.standards.ledger import Publication

from .state import StateRecord


class SourceRecord(Protocol):
    """A record of the events topic, as any client gives it."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was not accepted, and why."""

    record: SourceRecord
    refused: Refused


@dataclass(frozen=True, slots=True)
class Writes:
    """What one shard has to write, in this order: dead letters and alerts, then states and the position, then the offset."""

    dead_letters: list[DeadLetter]
    publications: list[Publication]
    states: list[StateRecord]
    position: int
    oldest_ms: int | None
    """When Kafka accepted the oldest event in it, in milliseconds since 1970."""
    accepted: dict[str, int]
    """How many events of each source were accepted."""
    let_go: int = 0
    """How many records went because their person had too many."""
