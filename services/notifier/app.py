"""The notifier by HTTP: the providers' callbacks, health, and metrics."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.background import BackgroundTask
from starlette.datastructures import ImmutableMultiDict
from twilio.twiml.messaging_response import MessagingResponse

from keepintouch.runtime.database import AWAY
from services.notifier.callbacks import Callbacks
from services.notifier.proofs import Form

LARGEST_BODY = 16 * 1024


def make_app(callbacks: Callbacks) -> FastAPI:
    """The notifier's HTTP application."""
    app = FastAPI(title="Keep in Touch notifier", docs_url=None, redoc_url=None, openapi_url=None)
    for error in AWAY:
        app.add_exception_handler(error, _come_again)
    _add_twilio(app, callbacks)
    _add_notify(app, callbacks)

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


def _add_twilio(app: FastAPI, callbacks: Callbacks) -> None:
    @app.post("/twilio/status/{message_id}")
    async def twilio_status(message_id: str, request: Request) -> Response:
        form = _form(body := await _body(request))
        if body is None:
            return Response(status_code=413)
        return Response(status_code=await run_in_threadpool(
            callbacks.twilio_status, message_id, request.url.path, request.url.query, form, _signature(request)))

    @app.post("/twilio/inbound")
    async def twilio_inbound(request: Request) -> Response:
        form = _form(body := await _body(request))
        if body is None:
            return Response(status_code=413)
        code, answer = await run_in_threadpool(
            callbacks.twilio_inbound, request.url.path, request.url.query, form, _signature(request))
        if code != 200:
            return Response(status_code=code)
        twiml = MessagingResponse()
        if answer is not None:
            twiml.message(answer)
        return Response(str(twiml), media_type="text/xml")


def _add_notify(app: FastAPI, callbacks: Callbacks) -> None:
    @app.post("/notify/status")
    async def notify_status(request: Request) -> Response:
        if (body := await _body(request)) is None:
            return Response(status_code=413)
        return Response(status_code=await run_in_threadpool(
            callbacks.notify_status, request.headers.get("Authorization"), body))

    @app.post("/notify/inbound")
    async def notify_inbound(request: Request) -> Response:
        if (body := await _body(request)) is None:
            return Response(status_code=413)
        code, afterwards = await run_in_threadpool(
            callbacks.notify_inbound, request.headers.get("Authorization"), body)
        return Response(status_code=code, background=BackgroundTask(afterwards) if afterwards is not None else None)


async def _come_again(_request: Request, _error: Exception) -> Response:
    """The database is away: nothing has been done of what was asked."""
    return Response(status_code=503)


async def _body(request: Request) -> bytes | None:
    """None for a body that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _form(body: bytes | None) -> Form:
    """The fields as they were sent, empty ones too, for they are signed as well."""
    pairs: list[Any] = parse_qsl((body or b"").decode("utf-8", "replace"), keep_blank_values=True)
    return ImmutableMultiDict(pairs)


def _signature(request: Request) -> str | None:
    return request.headers.get("X-Twilio-Signature")


def _state(name: str, reasons: Sequence[str]) -> Response:
    return JSONResponse({name: not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200)
