"""What the monitor finds, on `care.alerts.v1` (compacted, key `alert_id`): the state of one alert, level-triggered."""
from __future__ import annotations

from typing import Annotated, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import Field

from .common import Council, Day, Instant, Message, PersonRef, RecordId, WorkerRef

Severity = Literal["low", "medium", "high", "critical"]
AlertStatus = Literal["open", "cleared", "withdrawn"]
EndReason = Literal["no_longer_applies", "done", "recorded_late", "corrected"]
Mode = Literal["live", "backfill"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""From the mildest to the worst."""

_ALERTS = uuid5(NAMESPACE_URL, "urn:keep-in-touch:alert")


def alert_id(person_ref: str, rule: str, anchor_on: str) -> UUID:
    """The id of the one alert per person, rule and anchor day (ISO date): the same from whatever run."""
    return uuid5(_ALERTS, f"{person_ref}|{rule}|{anchor_on}")


class PolicyRef(Message):
    """Which policy, in which version, an alert was found under."""

    id: str = Field(description="id of the policy")
    version: int | str = Field(description="its version, as the policy file has it")


class AlertDetail(Message):
    """The contact there has been, by council roles, as of the evaluation that published the record."""

    last_attempted_on: Day | None = Field(None, description="newest day of an attempt (rung 1 exactly)")
    last_messaged_on: Day | None = Field(None, description="newest day at rung 2 or higher")
    last_spoke_on: Day | None = Field(None, description="newest day at rung 3 or higher")
    last_seen_on: Day | None = Field(None, description="newest day at rung 4 or higher")
    last_seen_at_home_on: Day | None = Field(None, description="newest day at rung 5")
    met_adviser: bool | None = Field(None, description="has met the current adviser, in whatever role; null without adviser")
    written_since_anchor: int = Field(description="written records going out, at rung 1 or higher, since the anchor")
    attempts_since_anchor: int = Field(description="records at rung 1 since the anchor")
    strangers_only: bool = Field(description="there were records since the anchor, all of them by strangers")


class Alert(Message):
    """One alert's state. A record with a lower `sequence` than the one held is stale; an equal one replaces it."""

    alert_id: UUID = Field(description="UUID version 5 of person, rule and anchor day: the same from whatever run")
    person_ref: PersonRef
    council: Council
    rule: str = Field(description="name of the rule in the policy")
    standard: str = Field(description="id of the standard that opened first: <policy id>/<rule>/<k>")
    status: AlertStatus = Field(description="open; cleared: it was true and is over; withdrawn: it should not have been")
    sequence: Annotated[int, Field(ge=1)] = Field(description="1, 2, ... per published change of this alert")
    severity: Severity = Field(description="the highest among the open standards of the rule")
    anchor_on: Day = Field(description="the day the clock started from")
    due_on: Day = Field(description="the last day to keep the standard, before grace")
    opens_on: Day = Field(description="the day after due day and grace; the true day, also after downtime")
    adviser_ref: WorkerRef | None = Field(None, description="current personal adviser; null: nobody")
    team_ref: str | None = Field(None, description="team that holds the case")
    policy: PolicyRef = Field(description="the policy it was found under")
    mode: Mode = Field(description="backfill: found when history or a policy was first read; such alerts text nobody")
    detail: AlertDetail = Field(description="the contact there has been")
    evidence: Annotated[list[RecordId], Field(max_length=5)] = Field(description="the anchoring record, then the newest since")
    detected_at: Instant = Field(description="when the alert was first published")
    ended_at: Instant | None = Field(None, description="when it ended; null while open")
    end_reason: EndReason | None = Field(None, description=(
        "no_longer_applies and done clear it; recorded_late (kept in time, typed up after) and corrected (a void or a "
        "correction) withdraw it; null while open"))
    recording_lag_days: int | None = Field(None, description="days from contact to typing up; only of recorded_late")
