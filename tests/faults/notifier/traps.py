"""Mistakes of the kind that lose or double texts, to be put back into a notifier: a harness that does not notice them is none."""
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schemas.notifications import FINAL_STATES
from services.notifier import delivery, kafka, outbox
from services.notifier.channels.twilio import TwilioChannel
from services.notifier.tables import message

from .worker import swap

VARIABLE = "FAULT_TRAP"


class Trap(StrEnum):
    """A mistake, put back."""

    OFFSET_BEFORE_INTENT = "offset_before_intent"
    """What was read is acknowledged before it is written down."""
    RESEND_WITHOUT_LOOK = "resend_without_look"
    """What may have been sent is sent again without a look whether it was."""
    NO_FENCE = "no_fence"
    """Who has lost its claim goes on as if it had not."""
    BACKWARDS = "backwards"
    """The latest that is heard of a message is believed, final or not."""
    SEND_BEFORE_INTENT = "send_before_intent"
    """The provider is called first, and what was claimed is forgotten if that does not come to an end."""

    def env(self) -> dict[str, str]:
        """How a worker is told."""
        return {VARIABLE: self}


def set_trap(trap: Trap) -> None:
    """Put a mistake back into this process."""
    match trap:
        case Trap.OFFSET_BEFORE_INTENT:
            swap(kafka.AlertReader, _take=_acknowledge_first(kafka.AlertReader._take))
        case Trap.RESEND_WITHOUT_LOOK:
            swap(TwilioChannel, find=lambda *_: [])
        case Trap.NO_FENCE:
            swap(delivery, LEASE_MARGIN=timedelta(days=-1))
            swap(outbox, record=_usurping(outbox.record))
        case Trap.BACKWARDS:
            swap(outbox, evidence=_gullible(outbox.evidence))
        case Trap.SEND_BEFORE_INTENT:
            swap(outbox, reap=_forgetful(outbox.reap))


def _acknowledge_first(take: Callable[..., bool]) -> Callable[..., bool]:
    def acknowledge_and_take(self: kafka.AlertReader, records: Any) -> bool:
        assert self._consumer is not None
        self._consumer.commit()
        return take(self, records)
    return acknowledge_and_take


def _usurping(record: Callable[..., bool]) -> Callable[..., bool]:
    """Whoever writes has the claim."""
    def write(connection: sa.Connection, claimed: Any, *more: Any) -> bool:
        connection.execute(sa.update(message).where(message.c.id == claimed["id"]).values(
            owner=claimed["owner"], fence=claimed["fence"], state="sending", provider_id=None))
        return record(connection, claimed, *more)
    return write


def _gullible(evidence: Callable[..., Any]) -> Callable[..., Any]:
    """What was final is so no longer when something else is heard."""
    def believe(connection: sa.Connection, message_id: str, provider: str, seen: Any, *more: Any) -> Any:
        connection.execute(sa.update(message).where(
            message.c.id == message_id, message.c.state.in_(sorted(FINAL_STATES))).values(state="sending"))
        return evidence(connection, message_id, provider, seen, *more)
    return believe


def _forgetful(reap: Callable[..., Any]) -> Callable[..., Any]:
    """What a dead worker had in hand was never claimed."""
    def forget(connection: sa.Connection, moment: Any, *more: Any) -> Any:
        connection.execute(sa.update(message).where(
            message.c.state == "sending", message.c.lease_until <= moment.real).values(state="pending"))
        return reap(connection, moment, *more)
    return forget
