"""HTTP: what Twilio tells us, health, and metrics.

A callback is believed only with Twilio's signature over the address it was sent to, as *we* know it (`PUBLIC_BASE_URL`); what
a request says of its own host is never used. What it says is in the database before it is answered.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.channels import Seen
from services.notifier.channels.twilio import state_of
from services.notifier.conversation import Text, hear
from services.notifier.database import Database
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.tables import message

LARGEST_BODY = 16 * 1024

_log = get_logger(__name__)

Form = ImmutableMultiDict[str, str]


@dataclass(frozen=True, slots=True)
class TwilioSignatures:
    """Knows whether Twilio signed a request. `tokens`: by council, the auth tokens of its account."""

    public_base_url: str | None
    tokens: Mapping[str, Sequence[SecretStr]]

    def valid(self, path: str, query: str, form: Form, signature: str | None, council: str | None = None) -> bool:
        """Whether the signature is that of the council's account, or without council of any."""
        if self.public_base_url is None or not signature:
            return False
        url = f"{self.public_base_url}{path}" + (f"?{query}" if query else "")
        mine = self.tokens.get(council, ()) if council is not None else [each for all_ in self.tokens.values() for each in all_]
        return any(RequestValidator(token.get_secret_value()).validate(url, form, signature) for token in mine)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the application needs to answer."""

    database: Database
    signatures: TwilioSignatures
    moment: Callable[[], Moment]
    is_manager: Callable[[str], bool]
    may_get: Callable[[str], bool]
    staff_read: Callable[[], bool]
    metrics: Metrics
    not_ready: Callable[[], Sequence[str]]
    unwell: Callable[[], Sequence[str]]

    def status(self, message_id: str, path: str, query: str, form: Form, signature: str | None) -> int:
        """Take what Twilio says of one of our messages; return the HTTP status to answer with."""
        with self.database.read() as connection:
            council = connection.scalar(sa.select(message.c.council).where(message.c.id == message_id))
        if not self.signatures.valid(path, query, form, signature, council):
            return self._refuse("status")
        state, sid = state_of(form.get("MessageStatus", "")), form.get("MessageSid", "")
        result = outbox.Evidence.UNKNOWN
        if council is not None and state is not None and sid:
            with self.database.write() as connection:
                seen = Seen(sid[:64], state, form.get("ErrorCode", "")[:16] or None)
                result = outbox.evidence(connection, message_id, "twilio", seen, self.moment())
        self.metrics.callbacks.labels("twilio", str(result)).inc()
        _log.info("callback", provider="twilio", notification_id=message_id[:32] if council else None, state=state,
                  reason=str(result))
        return 204

    def inbound(self, path: str, query: str, form: Form, signature: str | None) -> tuple[int, str | None]:
        """Do what a text asks for; return the HTTP status and the answer, if any."""
        if not self.signatures.valid(path, query, form, signature):
            return self._refuse("inbound"), None
        text = Text("twilio", form.get("MessageSid", "")[:64], form.get("From", ""), form.get("Body", ""))
        if not text.provider_id:
            return 204, None
        if not self.staff_read():   # whether a manager speaks decides how long a hold lasts
            return 503, None
        with self.database.write() as connection:
            heard, answer = hear(connection, text, self.is_manager, self.moment())
        self.metrics.replies.labels(str(heard)).inc()
        _log.info("text_received", provider="twilio", provider_id=text.provider_id, reason=str(heard))
        return 200, answer if self.may_get(text.sender) else None

    def _refuse(self, kind: str) -> int:
        self.metrics.callbacks.labels("twilio", "refused").inc()
        _log.warning("callback_refused", provider="twilio", kind=kind, reason="signature")
        return 403


def make_app(callbacks: Callbacks) -> FastAPI:
    """The notifier's HTTP application."""
    app = FastAPI(title="Keep in Touch notifier", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/twilio/status/{message_id}")
    async def status(message_id: str, request: Request) -> Response:
        form = await _form(request)
        if form is None:
            return Response(status_code=413)
        return Response(status_code=await run_in_threadpool(
            callbacks.status, message_id, request.url.path, request.url.query, form, _signature(request)))

    @app.post("/twilio/inbound")
    async def inbound(request: Request) -> Response:
        form = await _form(request)
        if form is None:
            return Response(status_code=413)
        code, answer = await run_in_threadpool(
            callbacks.inbound, request.url.path, request.url.query, form, _signature(request))
        if code != 200:
            return Response(status_code=code)
        twiml = MessagingResponse()
        if answer is not None:
            twiml.message(answer)
        return Response(str(twiml), media_type="text/xml")

    @app.get("/healthz")
    async def healthz() -> Response:
        return _state("healthy", callbacks.unwell())

    @app.get("/readyz")
    async def readyz() -> Response:
        return _state("ready", callbacks.not_ready())

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(callbacks.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _form(request: Request) -> Form | None:
    """The fields as they were sent, empty ones too, for they are signed as well; None for a body that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    pairs: list[Any] = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return ImmutableMultiDict(pairs)


def _signature(request: Request) -> str | None:
    return request.headers.get("X-Twilio-Signature")


def _state(name: str, reasons: Sequence[str]) -> Response:
    return JSONResponse({name: not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200)
