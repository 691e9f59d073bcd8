"""The port to Kafka: records out, and of each whether Kafka has it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record."""

    key: bytes
    value: bytes
    everywhere: bool = False
    """To every partition, once all before it are acknowledged: a manifest."""


class Writer(Protocol):
    """Where events and staff go."""

    def write(self, topic: str, records: Sequence[Outgoing]) -> list[bool]:
        """Whether Kafka has each record, once that is known of all. What it may have and has not said is False."""
        ...
