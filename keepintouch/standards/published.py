"""What is remembered of the alerts published about one person, as the stored form has it."""
from __future__ import annotations

from operator import attrgetter

import msgspec

from schemas.alerts import Mode, Severity

from .instants import day_of
from .intervals import LAST_DAY

AlertKey = tuple[str, int]
"""Rule and anchor day: with the person, what makes an alert the same alert."""

REMEMBERED_DAYS = 400
"""How long an ended alert's id and sequence are remembered; then its key gets a tombstone."""
NEVER = bytes(8)
"""Policy mark of a person who has never been evaluated."""


NewestDays = tuple[int | None, int | None, int | None, int | None, int | None]
"""Newest day of a council-role attempt (exactly), then at rung messaged, spoke, seen, seen at home or higher."""


class Evidence(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """As of the evaluation that published the alert; days are day numbers."""

    newest_days: NewestDays
    met_adviser: bool | None
    written_since_anchor: int
    attempts_since_anchor: int
    strangers_only: bool
    record_ids: tuple[str, ...]
    """The anchoring record, if any, then the newest since the anchor, newest first."""


class OpenEntry(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The last published record of an open alert."""

    anchor_on: int
    sequence: int
    mode: Mode
    detected_at: int
    standard: str
    severity: Severity
    due_on: int
    opens_on: int
    adviser_ref: str | None
    team_ref: str | None
    policy_id: str
    policy_version: int | str
    evidence: Evidence

    @property
    def rule(self) -> str:
        """Stated by the standard's id: `<policy id>/<rule>/<k>`."""
        return self.standard.split("/")[1]

    @property
    def key(self) -> AlertKey:
        """Rule and anchor day."""
        return self.rule, self.anchor_on


class EndedEntry(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What is remembered of an ended alert."""

    rule: str
    anchor_on: int
    sequence: int
    mode: Mode
    detected_at: int
    ended_at: int

    @property
    def key(self) -> AlertKey:
        """Rule and anchor day."""
        return self.rule, self.anchor_on

    @property
    def forgotten_on(self) -> int:
        """Day number on which its key gets a tombstone."""
        return day_of(self.ended_at) + REMEMBERED_DAYS


_ended_at = attrgetter("ended_at")


class Ledger(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Open alerts, ended ones, and under what policy which rules have been evaluated so far."""

    mark: bytes
    """Digest of the policy's id, version and feeds at the last evaluation."""
    known: bytes
    """CRC-32 of each rule that was not unknown at some evaluation, four bytes each, sorted."""
    open: tuple[OpenEntry, ...] = ()
    ended: tuple[EndedEntry, ...] = ()

    @property
    def next_change_on(self) -> int:
        """The day on which the first ended alert is forgotten."""
        return min(self.ended, key=_ended_at).forgotten_on if self.ended else LAST_DAY
