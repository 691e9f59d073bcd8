"""A stand-in for GOV.UK Notify's API over real HTTP, with a ledger of every message it accepted.

It checks what Notify checks (the signed key, template, placeholders, address), answers in Notify's words, and misbehaves on
demand: each call to create a message takes the next `Behaviour` of the queue. Callbacks bear the token as Notify's do.
"""
from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from notifications_python_client.authentication import decode_jwt_token, get_token_issuer
from notifications_python_client.errors import TokenError

SERVICE, SECRET = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
KEY = f"stand_in-{SERVICE}-{SECRET}"
TEXT_TEMPLATE, EMAIL_TEMPLATE = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
CALLBACK_TOKEN = "stand-in-callback-token"


class Behaviour(StrEnum):
    """What the next call to create a message meets."""

    ACCEPT = "accept"
    TIME_OUT_AFTER_ACCEPTING = "time_out_after_accepting"
    RESET_AFTER_ACCEPTING = "reset_after_accepting"
    RESET = "reset"                   # the connection breaks, and nothing is accepted
    ERROR_500_AFTER_ACCEPTING = "error_500_after_accepting"
    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    NO_JSON = "no_json"               # accepted, and the answer is a web page
    MOVED = "moved"                   # a redirect, as from an address that is not Notify's
    BUSY = "busy"                     # too many in a minute
    TODAY_IS_OVER = "today_is_over"   # too many in a day
    TEAM_KEY = "team_key"
    TRIAL_MODE = "trial_mode"
    CLOCK = "clock"
    INTERNATIONAL = "international"
    TOO_LONG = "too_long"


_ANSWERS: Mapping[Behaviour, tuple[int, str, str]] = {
    Behaviour.ERROR_500: (500, "Exception", "Internal server error"),
    Behaviour.ERROR_503: (503, "Exception", "Service unavailable"),
    Behaviour.BUSY: (429, "RateLimitError", "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds"),
    Behaviour.TODAY_IS_OVER: (429, "TooManyRequestsError", "Exceeded send limits (sms: 250000) for today"),
    Behaviour.TEAM_KEY: (400, "BadRequestError", "Can’t send to this recipient using a team-only API key"),
    Behaviour.TRIAL_MODE: (400, "BadRequestError", "Can’t send to this recipient when service is in trial mode – see "
                                                   "https://www.notifications.service.gov.uk/trial-mode"),
    Behaviour.CLOCK: (403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds"),
    Behaviour.INTERNATIONAL: (400, "BadRequestError", "Cannot send to international mobile numbers"),
    Behaviour.TOO_LONG: (400, "BadRequestError", "Your message is too long. Text messages cannot be longer than 918 characters"),
}


@dataclass(slots=True)
class Sent:
    """One message accepted."""

    id: str
    kind: str
    to: str
    body: str
    subject: str | None
    reference: str | None
    created: datetime
    status: str = "created"


@dataclass
class NotifyStandIn:
    """Use as a context manager. `ledger`: every message accepted, oldest first; `requests`: every call to create one."""

    hang_seconds: float = 120.0   # longer than anybody waits
    ledger: list[Sent] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    list_hidden: bool = False
    list_fails: bool = False
    key: str = KEY
    on_request: Callable[[], None] = lambda: None
    _script: deque[Behaviour] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"notify": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For NOTIFY_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a notifier needs to send here."""
        return {"NOTIFY_BASE_URL": self.url, "NOTIFY_API_KEY": self.key, "NOTIFY_TEXT_TEMPLATE": TEXT_TEMPLATE,
                "NOTIFY_EMAIL_TEMPLATE": EMAIL_TEMPLATE, "NOTIFY_CALLBACK_TOKEN": CALLBACK_TOKEN}

    def next(self, *behaviours: Behaviour) -> None:
        """The coming calls meet these, in this order; after them everything is accepted."""
        self._script.extend(behaviours)

    def to(self, address: str) -> list[Sent]:
        """The messages to one number or e-mail address."""
        return [sent for sent in self.ledger if sent.to == address]

    def create(self, kind: str, given: Mapping[str, Any]) -> tuple[int, dict[str, Any], Behaviour]:
        """What a call to create a message is answered with; puts it into the ledger if it is accepted."""
        with self._lock:
            self.requests.append(kind)
            behaviour = self._script.popleft() if self._script else Behaviour.ACCEPT
        self.on_request()
        if (wrong := _wrong(kind, given)) is not None:
            return 400, _error(400, *wrong), behaviour
        if behaviour in _ANSWERS:
            status, error, message = _ANSWERS[behaviour]
            return status, _error(status, error, message), behaviour
        if behaviour in (Behaviour.RESET, Behaviour.MOVED):
            return 302, {}, behaviour
        said = given["personalisation"]
        with self._lock:
            sent = Sent(str(uuid.uuid4()), kind, given["phone_number" if kind == "sms" else "email_address"], said["message"],
                        said.get("subject"), given.get("reference"), datetime.now(UTC))
            self.ledger.append(sent)
        if behaviour is Behaviour.ERROR_500_AFTER_ACCEPTING:
            return 500, _error(500, "Exception", "Internal server error"), behaviour
        if behaviour is Behaviour.TIME_OUT_AFTER_ACCEPTING:
            self._closing.wait(self.hang_seconds)
        content = {"body": sent.body, "from_number": "GOVUK"} if kind == "sms" else {"body": sent.body, "subject": sent.subject}
        return 201, {"id": sent.id, "reference": sent.reference, "content": content, "scheduled_for": None,
                     "uri": f"{self.url}/v2/notifications/{sent.id}",
                     "template": {"id": given["template_id"], "version": 1, "uri": f"{self.url}/v2/template/x"}}, behaviour

    def listed(self, reference: str | None) -> tuple[int, dict[str, Any]]:
        """The messages with a reference, newest first."""
        if self.list_fails:
            return 500, _error(500, "Exception", "Internal server error")
        found = [] if self.list_hidden else [sent for sent in reversed(self.ledger) if reference in (None, sent.reference)]
        return 200, {"notifications": [_resource(sent) for sent in found[:250]], "links": {"current": self.url}}

    def fetched(self, sent_id: str) -> tuple[int, dict[str, Any]]:
        """One message."""
        found = next((sent for sent in self.ledger if sent.id == sent_id), None)
        return (404, _error(404, "NoResultFound", "No result found")) if found is None else (200, _resource(found))


def post_callback(url: str, body: Mapping[str, Any] | bytes, token: str | None = CALLBACK_TOKEN) -> int:
    """POST JSON as Notify does; `token` None: without one. The status of the answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def receipt(sent_id: str, reference: str | None, status: str, **more: Any) -> dict[str, Any]:
    """What Notify posts of a message that was delivered or failed."""
    at = "2026-03-10T09:00:00.000000Z"
    return {"id": sent_id, "reference": reference, "to": "07700900001", "status": status, "created_at": at, "completed_at": at,
            "sent_at": at, "notification_type": "sms", "template_id": TEXT_TEMPLATE, "template_version": 1} | more


def received(text_id: str, sender: str, message: str) -> dict[str, Any]:
    """What Notify posts of a text that came in; it writes numbers without a plus sign."""
    return {"id": text_id, "source_number": sender.removeprefix("+"), "destination_number": "07700900000", "message": message,
            "date_received": "2026-03-10T09:00:00.000000Z"}


def _wrong(kind: str, given: Mapping[str, Any]) -> tuple[str, str] | None:
    if given.get("template_id") not in (TEXT_TEMPLATE, EMAIL_TEMPLATE):
        return "BadRequestError", "Template not found"
    if (given["template_id"] == TEXT_TEMPLATE) != (kind == "sms"):
        return "BadRequestError", f"{kind} template is not suitable for this notification"
    if not given.get("personalisation", {}).get("message"):
        return "BadRequestError", "Missing personalisation: message"
    if kind == "sms" and not re.fullmatch(r"\+?\d{9,15}", given.get("phone_number", "")):
        return "ValidationError", "phone_number Must not contain letters or symbols"
    if kind == "sms" and len(given["phone_number"]) < 12:
        return "ValidationError", "phone_number Not enough digits"
    if kind == "email" and not re.fullmatch(r"[^@ ]+@[^@ ]+\.[^@ ]+", given.get("email_address", "")):
        return "ValidationError", "email_address Not a valid email address"
    return None


def _error(status: int, error: str, message: str) -> dict[str, Any]:
    return {"status_code": status, "errors": [{"error": error, "message": message}]}


def _resource(sent: Sent) -> dict[str, Any]:
    at = sent.created.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    sms = sent.kind == "sms"
    return {"id": sent.id, "reference": sent.reference, "type": sent.kind, "status": sent.status, "body": sent.body,
            "phone_number": sent.to if sms else None, "email_address": None if sms else sent.to, "subject": sent.subject,
            "created_at": at, "sent_at": None, "completed_at": None, "created_by_name": None,
            "template": {"id": TEXT_TEMPLATE if sms else EMAIL_TEMPLATE, "version": 1, "uri": "/v2/template/x"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    notify: NotifyStandIn

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        kind = self.path.removeprefix("/v2/notifications/")
        if not self._authorised():
            return
        if kind not in ("sms", "email"):
            self._answer(404, _error(404, "NotFound", "Not found"))
            return
        status, body, behaviour = self.notify.create(kind, given)
        if behaviour in (Behaviour.RESET, Behaviour.RESET_AFTER_ACCEPTING):
            self.close_connection = True
            self.connection.close()
            return
        self._answer(status, b"<!doctype html>" if behaviour is Behaviour.NO_JSON else body)

    def do_GET(self) -> None:
        if not self._authorised():
            return
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/v2/notifications":
            self._answer(*self.notify.listed(dict(urllib.parse.parse_qsl(url.query)).get("reference")))
        else:
            self._answer(*self.notify.fetched(url.path.rsplit("/", 1)[1]))

    def _authorised(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            if get_token_issuer(token) == self.notify.key[-73:-37] and decode_jwt_token(token, self.notify.key[-36:]):
                return True
        except TokenError:
            pass
        self._answer(403, _error(403, "AuthError", "Invalid token: API key not found"))
        return False

    def _answer(self, status: int, body: Mapping[str, Any] | bytes) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 302:
                self.send_header("Location", "/sign-in")
            self.end_headers()
            self.wfile.write(data)
        except OSError:   # the client has given up, as it should
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
