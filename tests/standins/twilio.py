"""A stand-in for Twilio's message API over real HTTP, with a ledger of every text it accepted.

It checks what Twilio checks (account, sender, number, body), answers in Twilio's words, and misbehaves on demand: each call
to create a message takes the next `Behaviour` of the queue. Status callbacks and replies are signed as Twilio signs them.
"""
from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from twilio.request_validator import RequestValidator

from keepintouch.runtime.ports import free_port

ACCOUNT, TOKEN = "AC" + "0" * 32, "stand-in-token"


class Behaviour(StrEnum):
    """What the next call to create a message meets."""

    ACCEPT = "accept"
    TIME_OUT_AFTER_ACCEPTING = "time_out_after_accepting"
    RESET_AFTER_ACCEPTING = "reset_after_accepting"
    RESET = "reset"                   # the connection breaks, and nothing is accepted
    ERROR_500_AFTER_ACCEPTING = "error_500_after_accepting"
    ERROR_500 = "error_500"
    BUSY_429 = "busy_429"
    BUSY_503 = "busy_503"
    REFUSE_21211 = "refuse_21211"     # no such number
    REFUSE_21610 = "refuse_21610"     # opted out
    REFUSE_20003 = "refuse_20003"     # authentication
    REFUSE_21609 = "refuse_21609"     # the callback's address
    CALL_BACK_FIRST = "call_back_first"   # it tells of the delivery before it answers
    BUSY_429_NO_HINT = "busy_429_no_hint"   # and it does not say for how long


_UNSENT: Mapping[Behaviour, tuple[int, int, str, Mapping[str, str]]] = {
    Behaviour.RESET: (500, 0, "", {}),   # it is never said
    Behaviour.ERROR_500: (500, 20500, "Internal error", {}),
    Behaviour.BUSY_429: (429, 20429, "Too many requests", {"Retry-After": "1"}),
    Behaviour.BUSY_429_NO_HINT: (429, 20429, "Too many requests", {}),
    Behaviour.BUSY_503: (503, 20503, "Unavailable", {"Retry-After": "1"}),
    Behaviour.REFUSE_21211: (400, 21211, "Invalid 'To' number", {}),
    Behaviour.REFUSE_21610: (400, 21610, "Attempt to send to unsubscribed recipient", {}),
    Behaviour.REFUSE_21609: (400, 21609, "Invalid 'StatusCallback' URL", {}),
    Behaviour.REFUSE_20003: (401, 20003, "Authenticate", {})}
"""Status, code, words and headers of answers to what is not taken."""


@dataclass(slots=True)
class Sent:
    """One text accepted."""

    sid: str
    to: str
    sender: str
    body: str
    callback: str | None
    fields: Mapping[str, str]
    created: datetime
    status: str = "queued"
    error_code: int | None = None


@dataclass
class TwilioStandIn:
    """Use as a context manager. `ledger`: every text accepted, oldest first; `requests`: every call to create one.

    `on_request` is called for each of these before anything is done about it. `calls_back`: statuses that are told of every
    text soon after it was accepted, once each and in this order; who does not listen then never hears of them.
    """

    hang_seconds: float = 120.0   # longer than anybody waits
    ledger: list[Sent] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    list_hidden: bool = False
    list_fails: bool = False
    hidden: set[str] = field(default_factory=set)
    """Numbers whose texts the list does not show either."""
    answers_after: float = 0.0
    """Seconds that it takes to answer, once it has accepted a text."""
    token: str = TOKEN
    """What it lets in with and signs with: the account's auth token."""
    locked_out: bool = False
    """Whether the notifier's credentials are no longer good for anything."""
    on_request: Callable[[], None] = lambda: None
    calls_back: Sequence[str] = ()
    _script: deque[Behaviour] = field(default_factory=deque)
    _scripts: dict[str, deque[Behaviour]] = field(default_factory=lambda: defaultdict(deque))
    _port: int = field(default_factory=free_port)
    _connections: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.close_door()

    def listen(self) -> None:
        """Answer, again on the same port after `close_door`."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), type("Handler", (_Handler,), {"twilio": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close_door(self) -> None:
        """From here on connections are refused, and those there are already are ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        """For TWILIO_BASE_URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a notifier needs to send here."""
        return {"TWILIO_BASE_URL": self.url, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": self.token,
                "TWILIO_FROM": "+447700900000"}

    def next(self, *behaviours: Behaviour) -> None:
        """The coming calls meet these, in this order; after them everything is accepted."""
        self._script.extend(behaviours)

    def next_to(self, number: str, *behaviours: Behaviour) -> None:
        """The coming calls to create a message to this number meet these."""
        self._scripts[number].extend(behaviours)

    def as_usual(self, number: str) -> None:
        """The coming calls to create a message to this number meet nothing of their own any more."""
        self._scripts[number].clear()

    def to(self, number: str) -> list[Sent]:
        """The texts to one number."""
        return [sent for sent in self.ledger if sent.to == number]

    def call_back(self, sent: Sent, status: str, error_code: int | None = None, *, token: str | None = None) -> int:
        """Tell the notifier what became of a text; the HTTP status of its answer."""
        sent.status, sent.error_code = status, error_code
        assert sent.callback is not None
        fields = {"MessageSid": sent.sid, "MessageStatus": status, "To": sent.to, "From": sent.sender, "AccountSid": ACCOUNT,
                  "ApiVersion": "2010-04-01", "RawDlrDoneDate": ""}
        if error_code is not None:
            fields["ErrorCode"] = str(error_code)
        return post_signed(sent.callback, fields, token or self.token)[0]

    def finish(self) -> None:
        """From here on every text is delivered, those too of which nothing has been told yet."""
        self.calls_back = ("delivered",)
        for sent in self.ledger:
            if sent.status not in ("delivered", "undelivered", "failed"):
                self._call_back_all(sent)

    def create(self, fields: Mapping[str, str]) -> tuple[int, dict[str, Any], Mapping[str, str], Behaviour]:
        """What a call to create a message is answered with; puts it into the ledger if it is accepted."""
        with self._lock:
            self.requests.append(fields.get("Body", ""))
            if self.locked_out:
                return 401, _error(401, 20003, "Authenticate"), {}, Behaviour.REFUSE_20003
            script = self._scripts[fields.get("To", "")] or self._script
            behaviour = script.popleft() if script else Behaviour.ACCEPT
        self.on_request()
        if (wrong := _wrong(fields)) is not None:
            return 400, _error(400, *wrong), {}, behaviour
        if behaviour in _UNSENT:
            status, code, said, headers = _UNSENT[behaviour]
            return status, _error(status, code, said), headers, behaviour
        with self._lock:
            sent = Sent("SM" + uuid.uuid4().hex, fields["To"], fields.get("From", ""), fields["Body"],
                        fields.get("StatusCallback"), dict(fields), datetime.now(UTC))
            self.ledger.append(sent)
        self._closing.wait(self.answers_after)
        if self.calls_back:
            threading.Thread(target=self._call_back_all, args=(sent,), daemon=True).start()
        if behaviour is Behaviour.CALL_BACK_FIRST:
            self.call_back(sent, "delivered")
        if behaviour is Behaviour.ERROR_500_AFTER_ACCEPTING:
            return 500, _error(500, 20500, "Internal error"), {}, behaviour
        if behaviour is Behaviour.TIME_OUT_AFTER_ACCEPTING:
            self._closing.wait(self.hang_seconds)
        return 201, _resource(sent), {}, behaviour

    def _call_back_all(self, sent: Sent) -> None:
        for status in self.calls_back:
            self._closing.wait(0.05)
            with contextlib.suppress(OSError, HTTPException):   # nobody listens just now, or is killed while they answer
                self.call_back(sent, status)

    def listed(self, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """The texts to a number, newest first, paged as Twilio does it."""
        if self.list_fails:
            return 500, _error(500, 20500, "Internal error")
        found = [] if self.list_hidden else [sent for sent in reversed(self.ledger)
                                             if query.get("To") in (None, sent.to) and sent.to not in self.hidden]
        size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        more = {**query, "Page": str(page + 1), "PageSize": str(size)}
        following = f"{path}?{urllib.parse.urlencode(more)}" if len(found) > (page + 1) * size else None
        return 200, {"messages": [_resource(sent) for sent in found[page * size:(page + 1) * size]], "page": page,
                     "page_size": size, "first_page_uri": path, "uri": path, "next_page_uri": following,
                     "previous_page_uri": None, "start": page * size, "end": page * size}

    def fetched(self, sid: str) -> tuple[int, dict[str, Any]]:
        """One text."""
        found = next((sent for sent in self.ledger if sent.sid == sid), None)
        return (404, _error(404, 20404, "Not found")) if found is None else (200, _resource(found))


def post_signed(url: str, fields: Mapping[str, str], token: str | None = TOKEN, *,
                signed_url: str | None = None) -> tuple[int, str]:
    """POST a form as Twilio does; `token` None: without signature. The status and the body of the answer."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if token is not None:
        headers["X-Twilio-Signature"] = RequestValidator(token).compute_signature(signed_url or url, dict(fields))
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _wrong(fields: Mapping[str, str]) -> tuple[int, str] | None:
    if not fields.get("To"):
        return 21604, "A 'To' phone number is required"
    if not fields.get("Body"):
        return 21602, "Message body is required"
    if len(fields["Body"]) > 1600:
        return 21617, "The message body exceeds the 1600 character limit"
    if not fields.get("From") and not fields.get("MessagingServiceSid"):
        return 21603, "A 'From' phone number is required"
    if not 1 <= int(fields.get("ValidityPeriod", "36000")) <= 36000:
        return 21620, "Invalid validity period"
    return None


def _error(status: int, code: int, message: str) -> dict[str, Any]:
    return {"status": status, "code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}"}


def _resource(sent: Sent) -> dict[str, Any]:
    at, body = format_datetime(sent.created), "" if sent.fields.get("ContentRetention") == "discard" else sent.body
    return {"sid": sent.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": body, "to": sent.to,
            "from": sent.sender or None, "messaging_service_sid": sent.fields.get("MessagingServiceSid"),
            "status": sent.status, "direction": "outbound-api", "date_created": at, "date_updated": at, "date_sent": None,
            "error_code": sent.error_code, "error_message": None, "num_media": "0", "num_segments": "1", "price": None,
            "price_unit": "USD", "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sent.sid}.json", "subresource_uris": {}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    twilio: TwilioStandIn

    def setup(self) -> None:
        super().setup()
        self.twilio._connections.add(self.connection)

    def finish(self) -> None:
        self.twilio._connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        fields = dict(urllib.parse.parse_qsl(raw, keep_blank_values=True))
        if not self._authorised():
            return
        if self.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            self._answer(404, _error(404, 20404, "Not found"))
            return
        status, body, headers, behaviour = self.twilio.create(fields)
        if behaviour in (Behaviour.RESET, Behaviour.RESET_AFTER_ACCEPTING):
            self.close_connection = True
            self.connection.close()
            return
        self._answer(status, body, headers)

    def do_GET(self) -> None:
        if not self._authorised():
            return
        url = urllib.parse.urlsplit(self.path)
        if url.path.endswith("/Messages.json"):
            self._answer(*self.twilio.listed(dict(urllib.parse.parse_qsl(url.query))))
        else:
            self._answer(*self.twilio.fetched(url.path.rsplit("/", 1)[1].removesuffix(".json")))

    def _authorised(self) -> bool:
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{self.twilio.token}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            return True
        self._answer(401, _error(401, 20003, "Authenticate"))
        return False

    def _answer(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:   # the client has given up, as it should
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
