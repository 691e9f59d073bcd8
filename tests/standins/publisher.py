"""A publisher that keeps what it took, in place of one to Kafka."""
from __future__ import annotations

from schemas.events import CloudEvent


class Kept:
    """`events`: all of them, oldest first."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []

    def event(self, event: CloudEvent) -> None:
        """Keep it."""
        self.events.append(event)

    def flush(self) -> None:
        """All are kept already."""
