"""Channels to people, one file for each provider, behind one Protocol.

Every call ends in one of four outcomes. The difference that matters is between what was definitely not sent, which may be
tried again, and what may have been, which must be looked for first.
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from schemas.notifications import Provider
from schemas.staff import MessageChannel

ProviderState = Literal["accepted", "sent", "delivered", "undelivered", "failed"]
"""What a provider may say of a message, in our words."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be handed over. `created_at`: when it was released, on the service's clock; an e-mail has a subject."""

    id: str
    council: str
    recipient_ref: str
    address: str
    template: str
    ref: str
    body: str
    created_at: datetime
    channel: MessageChannel = "sms"
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it, and calls it by this id."""

    provider_id: str
    state: ProviderState = "accepted"


class Fault(StrEnum):
    """Whose fault a refusal is."""

    RECIPIENT = "recipient"             # this address will not work until a human changes something
    CONFIGURATION = "configuration"     # nothing will work until an operator changes something
    UNKNOWN = "unknown"                 # a refusal we know nothing about: nobody's number is given up for it


@dataclass(frozen=True, slots=True)
class Refused:
    """Definitely not sent, and trying again would not help."""

    reason: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class NotSent:
    """Definitely not sent; may be tried again, after so long if the provider says."""

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have been sent: to be looked for before it is sent again."""

    reason: str


Outcome = Accepted | Refused | NotSent | Uncertain


@dataclass(frozen=True, slots=True)
class Seen:
    """What the provider knows of a message."""

    provider_id: str
    state: ProviderState
    code: str | None = None


class LookUpFailedError(Exception):
    """The provider could not be asked; what it would have said is unknown. `args[0]` is a slug."""


class Channel(Protocol):
    """One provider for one council. Called from several threads; nothing here raises but `LookUpFailedError`."""

    @property
    def provider(self) -> Provider:
        """Its name in records."""
        ...

    def send(self, message: Outgoing) -> Outcome:
        """Hand a message over; returns within the HTTP timeout or little more."""
        ...

    def find(self, message: Outgoing) -> list[Seen]:
        """Look for a message of which only we know the id: all attempts at it, newest first. Raises LookUpFailedError."""
        ...

    def ask(self, provider_id: str) -> Seen | None:
        """Ask what became of a message. Raises LookUpFailedError."""
        ...
