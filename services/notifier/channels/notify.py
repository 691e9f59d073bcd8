"""Texts and e-mails by GOV.UK Notify, through its own client library.

The council's templates have a body of one placeholder, `((message))`; the subject of the e-mail template is `((subject))` or
fixed. Our reference at Notify is the outbox's id, by which a message is looked for before it is ever sent again.

Notify asks not to rely on what its errors say, only on their type. Where the type leaves open whose fault it is, words that
are known decide; for any others nobody's number is given up and no channel stopped.
"""
from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import requests
from notifications_python_client.errors import APIError
from notifications_python_client.notifications import NotificationsAPIClient
from pydantic import SecretStr

from keepintouch.runtime.errors import UserError
from schemas.notifications import Provider
from schemas.staff import MessageChannel
from services.notifier.channels import (
    Accepted,
    Fault,
    LookUpFailedError,
    NotSent,
    Outcome,
    Outgoing,
    ProviderState,
    Refused,
    Seen,
    Uncertain,
)
from services.notifier.channels.http import failed, retry_after, slug, waits
from services.notifier.settings import Environment

BASE_URL: Final = "https://api.notifications.service.gov.uk"

_STATES: Mapping[str, ProviderState] = {
    "created": "accepted", "sending": "accepted", "pending": "accepted", "pending-virus-check": "accepted", "sent": "sent",
    "delivered": "delivered", "permanent-failure": "undelivered", "temporary-failure": "undelivered",
    "technical-failure": "failed", "cancelled": "failed", "validation-failed": "failed", "virus-scan-failed": "failed"}
_KEY_LENGTH = 73   # of the service's id, a hyphen and the secret; a name may stand before them
_RATE_LIMIT = timedelta(seconds=60)   # 3,000 messages in 60 seconds
_OURS = re.compile("api key|template|personalisation|trial mode|sms_sender_id|email_reply_to_id", re.IGNORECASE)
_THEIRS = re.compile("phone_number|email_address|international mobile", re.IGNORECASE)

logging.getLogger("notifications_python_client.base").setLevel(logging.ERROR)   # its warnings repeat what Notify says


def seen(provider_id: str, status: str) -> Seen | None:
    """What a status of Notify's means; None for one we do not know. Codes: permanent, temporary, technical, ..."""
    if (state := _STATES.get(status)) is None:
        return None
    code = status.removesuffix("-failure").replace("-", "_")[:16]
    return Seen(provider_id, state, code if state in ("undelivered", "failed") else None)


@dataclass(frozen=True, slots=True)
class NotifyService:
    """A council's service at Notify: its key, and a template for each channel it is used for."""

    api_key: SecretStr
    templates: Mapping[MessageChannel, str]

    @classmethod
    def of(cls, environment: Environment, council: str, channels: Collection[MessageChannel]) -> NotifyService:
        """Raises UserError that names what is missing."""
        key = environment.secret("NOTIFY_API_KEY", council)
        if key is None or len(key.get_secret_value()) < _KEY_LENGTH:
            raise UserError(f"council {council} sends by notify: set NOTIFY_API_KEY to a whole key, as Notify shows it once")
        templates: dict[MessageChannel, str] = {}
        for channel, name in _TEMPLATES.items():
            if channel in channels:
                if (template := environment.get(name, council)) is None:
                    raise UserError(f"council {council} sends by notify: set {name} to the id of a template whose body is "
                                    "((message))")
                templates[channel] = template
        return cls(key, templates)


_TEMPLATES: Mapping[MessageChannel, str] = {"sms": "NOTIFY_TEXT_TEMPLATE", "email": "NOTIFY_EMAIL_TEMPLATE"}


def _real_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class NotifyChannel:
    """Notify for one council, for texts and e-mails."""

    service: NotifyService
    timeout: timedelta
    base_url: str = BASE_URL
    now: Callable[[], datetime] = _real_now
    provider: Final[Provider] = field(default="notify", init=False)
    _mine: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def send(self, message: Outgoing) -> Outcome:
        """Create the message at Notify, with our id as its reference."""
        template = self.service.templates[message.channel]
        try:
            client = self._client()
            if message.channel == "sms":
                created = client.send_sms_notification(message.address, template, {"message": message.body}, message.id)
            else:
                created = client.send_email_notification(
                    message.address, template, {"message": message.body, "subject": message.subject or ""}, message.id)
            return Accepted(str(created["id"]))
        except APIError as error:
            return self._refusal(error)
        except Exception as error:   # an answer that cannot be read, for one: it may have been sent
            return failed(error)

    def find(self, message: Outgoing) -> list[Seen]:
        """Ask for what has our reference."""
        found = self._looked_up(lambda client: client.get_all_notifications(reference=message.id))
        return list(filter(None, (seen(each["id"], each["status"]) for each in found["notifications"])))

    def ask(self, provider_id: str) -> Seen | None:
        """Fetch one message; None if Notify has it no more, as after seven days, or says what we do not know."""
        try:
            return seen(provider_id, self._looked_up(lambda client: client.get_notification_by_id(provider_id))["status"])
        except _NotThereError:
            return None

    def _refusal(self, error: APIError) -> Outcome:
        if error.response is None:   # the library calls a connection that failed a 503
            return failed(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        status, kind = error.response.status_code, _kind(error)
        reason = f"notify_{kind or status}"
        if status == 429:
            wait = retry_after(error.response.headers.get("Retry-After")) or _RATE_LIMIT
            return NotSent(reason, _until_midnight(self.now()) if kind == "TooManyRequestsError" else wait)
        if status >= 500 or status < 300:
            return Uncertain(reason)
        if status != 400:   # the key, the clock, or an address that is not Notify's
            return Refused(reason, Fault.CONFIGURATION)
        said = str(error.message)
        if _THEIRS.search(said):
            return Refused(reason, Fault.RECIPIENT)
        return Refused(reason, Fault.CONFIGURATION if _OURS.search(said) else Fault.UNKNOWN)

    def _looked_up(self, call: Callable[[NotificationsAPIClient], Any]) -> Any:
        try:
            return call(self._client())
        except APIError as error:
            if error.response is None:
                raise LookUpFailedError(slug(error.__cause__ or error)) from None
            if error.response.status_code == 404:
                raise _NotThereError("notify_404") from None
            raise LookUpFailedError(f"notify_{_kind(error) or error.response.status_code}") from None
        except Exception as error:
            raise LookUpFailedError(slug(error)) from None

    def _client(self) -> NotificationsAPIClient:
        """One client a thread: they are not made to be shared."""
        if not hasattr(self._mine, "client"):
            client = NotificationsAPIClient(self.service.api_key.get_secret_value(), self.base_url)
            client.timeout = waits(self.timeout)
            client.request_session.max_redirects = 0   # followed, a POST would become a GET
            self._mine.client = client
        found: NotificationsAPIClient = self._mine.client
        return found


class _NotThereError(LookUpFailedError):
    """Notify does not have it."""


def _kind(error: APIError) -> str | None:
    """The type of the first error, such as `ValidationError`."""
    try:
        said = error.response.json()["errors"][0]["error"]   # type: ignore[union-attr]
    except (requests.RequestException, ValueError, LookupError, TypeError):
        return None
    return said if isinstance(said, str) and re.fullmatch(r"[A-Za-z]{1,40}", said) else None


def _until_midnight(now: datetime) -> timedelta:
    """The daily limit ends at midnight UTC."""
    today = now.astimezone(UTC).date()
    return datetime.combine(today + timedelta(days=1), time(), UTC) - now
