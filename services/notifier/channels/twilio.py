"""Texts by Twilio, through its own client library.

The client never retries: what is tried again, and when, is the outbox's business. Error classes as Twilio documents them; for
a code that is not known here no number is given up, because it may be our own mistake and then all numbers would be.
"""
from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pydantic import SecretStr
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from keepintouch.runtime.errors import UserError
from schemas.notifications import Provider
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

if TYPE_CHECKING:   # a large import, which the library itself puts off until it is needed
    from twilio.rest.api.v2010.account.message import MessageInstance

VALIDITY = timedelta(hours=4)
"""How long a text may wait at Twilio: an outage there must not deliver it in the middle of the night."""

Retention = Literal["retain", "discard"]
"""Whether Twilio keeps the words of a text."""

_LOOK_AT = 200   # of the newest texts to a number

_RECIPIENT = frozenset({
    21211, 21214, 21217, 21614,  # not a number, or not one that gets texts
    21408, 21612,                # not to that country, or not by this sender
    21610,                       # opted out
})
_CONFIGURATION = frozenset({
    20003,                       # authentication
    20404,                       # no such account
    21212, 21603, 21606, 21659,  # the sender is missing, invalid or not ours
    21701, 21703, 21704, 21705,  # the messaging service is missing or has no sender
    30002, 90010,                # the account is suspended or not active
})
_TRANSIENT = frozenset({20429, 21611})   # too many requests; the sender's queue is full

_STATES: Mapping[str, ProviderState] = {
    "accepted": "accepted", "scheduled": "accepted", "queued": "accepted", "sending": "accepted", "sent": "sent",
    "delivered": "delivered", "read": "delivered", "undelivered": "undelivered", "failed": "failed", "canceled": "failed"}


def state_of(status: str) -> ProviderState | None:
    """Twilio's status of an outgoing text in our words; None for one we do not know."""
    return _STATES.get(status)


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """How to get in, and who the sender is: a messaging service, else a number or name."""

    account_sid: str
    user: str
    password: SecretStr
    auth_token: SecretStr | None
    service_sid: str | None
    sender: str | None
    retention: Retention = "retain"

    @classmethod
    def of(cls, environment: Environment, council: str) -> TwilioAccount:
        """A council's account. Raises UserError that names what is missing."""
        sid = environment.get("TWILIO_ACCOUNT_SID", council)
        if sid is None:
            raise UserError(f"council {council} sends by twilio: set TWILIO_ACCOUNT_SID")
        user, password = _login(environment, council, sid)
        service, sender = _sender(environment, council)
        retention = next((each for each in get_args(Retention) if each == (
            environment.get("TWILIO_CONTENT_RETENTION", council) or "retain").strip().lower()), None)
        if retention is None:
            raise UserError(f"council {council}: TWILIO_CONTENT_RETENTION: give retain or discard")
        token = environment.secret("TWILIO_AUTH_TOKEN", council)
        return cls(sid, user, SecretStr(password), token, service, sender, retention)


def _login(environment: Environment, council: str, sid: str) -> tuple[str, str]:
    for get in (environment.own, environment.get):   # a council's own of either kind goes before a common one
        key, secret, token = (get(f"TWILIO_{name}", council) for name in ("API_KEY", "API_SECRET", "AUTH_TOKEN"))
        if key and secret:
            return key, secret
        if token:
            return sid, token
    raise UserError(f"council {council} sends by twilio: set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET")


def _sender(environment: Environment, council: str) -> tuple[str | None, str | None]:
    for get in (environment.own, environment.get):
        if service := get("TWILIO_MESSAGING_SERVICE_SID", council):
            return service, None
        if sender := get("TWILIO_FROM", council):
            return None, sender
    raise UserError(f"council {council} sends by twilio: set TWILIO_MESSAGING_SERVICE_SID or TWILIO_FROM")


class _HttpClient(TwilioHttpClient):  # type: ignore[misc]  # untyped
    """Keeps what the library's exceptions leave out: when to come back."""

    retry_after: timedelta | None = None

    def request(self, *args: Any, **kwargs: Any) -> Response:
        self.retry_after = None
        response = super().request(*args, **kwargs)
        self.retry_after = retry_after((response.headers or {}).get("Retry-After"))
        return response


@dataclass(slots=True)
class TwilioChannel:
    """Twilio for one council. `callback_base`: the notifier's own address; None: no callbacks are asked for."""

    account: TwilioAccount
    timeout: timedelta
    callback_base: str | None
    base_url: str | None = None
    provider: Final[Provider] = field(default="twilio", init=False)
    _mine: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def send(self, message: Outgoing) -> Outcome:
        """Create the message at Twilio, with our id in the callback's address."""
        options: dict[str, Any] = {"validity_period": int(VALIDITY.total_seconds())}
        if self.callback_base is not None:
            options["status_callback"] = f"{self.callback_base}/twilio/status/{message.id}"
        if self.account.service_sid is not None:
            options["messaging_service_sid"] = self.account.service_sid
        else:
            options["from_"] = self.account.sender
        if self.account.retention == "discard":
            options["content_retention"] = "discard"
        client, http = self._client()
        try:
            created = client.messages.create(to=message.address, body=message.body, **options)
            return Accepted(str(created.sid), _STATES.get(str(created.status), "accepted"))
        except TwilioRestException as error:
            return refusal(error.status, error.code, http.retry_after)
        except Exception as error:   # an answer that cannot be read, for one: it may have been sent
            return failed(error)

    def find(self, message: Outgoing) -> list[Seen]:
        """Look through the newest texts to the number for our Ref. Not by date of sending: one in the queue has none.

        One whose words Twilio was to discard is not found: number and time alone are no proof, and a text taken for another
        would never be sent.
        """
        mark = f"Ref {message.ref}."
        texts = self._looked_up(lambda client: client.messages.list(to=message.address, limit=_LOOK_AT))
        return [_seen(text) for text in texts if mark in (text.body or "")]

    def ask(self, provider_id: str) -> Seen | None:
        """Fetch one message."""
        return _seen(self._looked_up(lambda client: client.messages(provider_id).fetch()))

    def _looked_up(self, call: Any) -> Any:
        try:
            return call(self._client()[0])
        except TwilioRestException as error:
            raise LookUpFailedError(f"twilio_{error.code or error.status}") from None
        except Exception as error:
            raise LookUpFailedError(slug(error)) from None

    def _client(self) -> tuple[Client, _HttpClient]:
        """One client a thread: a requests session is not made to be shared."""
        if not hasattr(self._mine, "client"):
            http = _HttpClient(max_retries=0)
            http.timeout = waits(self.timeout)   # the constructor takes no pair, requests does
            client = Client(self.account.user, self.account.password.get_secret_value(), self.account.account_sid,
                            http_client=http)
            if self.base_url is not None:
                client.api.base_url = self.base_url
            self._mine.client = client, http
        pair: tuple[Client, _HttpClient] = self._mine.client
        return pair


def refusal(status: int, code: int | None, retry_after: timedelta | None) -> Refused | NotSent | Uncertain:
    """Which outcome an error answer of Twilio's is."""
    reason = f"twilio_{code or status}"
    if status == 429 or code in _TRANSIENT or (status == 503 and retry_after is not None):
        return NotSent(reason, retry_after)
    if status >= 500:
        return Uncertain(reason)
    if code in _CONFIGURATION or status in (401, 403, 404):
        return Refused(reason, Fault.CONFIGURATION)
    return Refused(reason, Fault.RECIPIENT if code in _RECIPIENT else Fault.UNKNOWN)


def _seen(message: MessageInstance) -> Seen:
    code = message.error_code
    return Seen(str(message.sid), _STATES.get(str(message.status), "accepted"), None if code is None else str(code))
