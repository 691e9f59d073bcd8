"""Bytes of the notifier's topics become messages, tombstones, or a reason for the dead letters. Pure.

What no database or calendar could take is refused here, so that one record never stops the service.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from keepintouch.acceptance import Refused, accept_record
from schemas.actions import AlertAction
from schemas.alerts import Alert
from schemas.common import Message, council_of
from schemas.staff import Staff

M = TypeVar("M", bound=Message)


class Raw(Protocol):
    """A record as Kafka gives it."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Gone:
    """A tombstone: what the key stood for is no more."""

    key: str


_NO_KEY = Refused("schema", "key: a tombstone without a key, or one that is not text")
_LONGEST, _LARGEST, _YEARS = {"rule": 100, "team_ref": 100, "action_id": 128}, 2**31 - 1, range(1900, 9000)
_UNKNOWN = "not in the councils file"


def read_alert(record: Raw, councils: frozenset[str]) -> Alert | Gone | Refused:
    """One record of the alerts."""
    if record.value is None:
        return _gone(record.key)
    read = accept_record(Alert, record.value, record.key or b"", lambda alert: str(alert.alert_id))
    if isinstance(read, Refused):
        return read
    if unfit := _unfit(rule=read.rule, sequence=read.sequence, detected_at=read.detected_at):
        return Refused("schema", unfit)
    if _unfit(team_ref=read.team_ref):   # whatever a case system calls a team: somebody has to hear of it
        read = read.model_copy(update={"team_ref": None})
    if read.council not in councils:
        return Refused("schema", f"council: {_UNKNOWN}")
    return read if council_of(read.person_ref) == read.council else Refused("schema", "person_ref: of another council")


def read_action(record: Raw, councils: frozenset[str]) -> AlertAction | Gone | Refused:
    """One record of what people did."""
    if record.value is None:
        return _gone(record.key)
    read = accept_record(AlertAction, record.value, record.key or b"", lambda action: str(action.alert_id))
    if isinstance(read, Refused):
        return read
    if unfit := _unfit(action_id=read.action_id, at=read.at, until=read.until):
        return Refused("schema", unfit)
    if council_of(read.actor_ref) in councils:
        return read
    return Refused("schema", f"actor_ref: its council is {_UNKNOWN}")


def read_staff(record: Raw, councils: frozenset[str]) -> Staff | Gone | Refused:
    """One record of the staff."""
    if record.value is None:
        return _gone(record.key)
    read = accept_record(Staff, record.value, record.key or b"", lambda staff: staff.worker_ref)
    if isinstance(read, Refused):
        return read
    if read.council not in councils:
        return Refused("schema", f"council: {_UNKNOWN}")
    return read if council_of(read.worker_ref) == read.council else Refused("schema", "worker_ref: of another council")


def _unfit(**fields: str | int | date | None) -> str | None:
    """What is wrong with the first field that cannot be kept; None if all can be."""
    for name, value in fields.items():
        if isinstance(value, str) and ("\0" in value or len(value) > _LONGEST[name]):
            return f"{name}: too long, or with a character that no text has"
        if isinstance(value, int) and value > _LARGEST:
            return f"{name}: too large"
        if isinstance(value, date) and value.year not in _YEARS:
            return f"{name}: not a day of our time"
    return None


def _gone(key: bytes | None) -> Gone | Refused:
    try:
        return Gone(key.decode()) if key else _NO_KEY
    except UnicodeDecodeError:
        return _NO_KEY
