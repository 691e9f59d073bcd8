"""The web application: its routes, and what every answer carries."""
from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from services.board.errors import add_errors
from services.board.pages import audit, caseload, held, landing, leave, person, team
from services.board.settings import BoardSettings
from services.board.sign_in import routes as sign_in_routes
from services.board.web import Board, fence


def make_app(board: Board, settings: BoardSettings, style: bytes, icon: bytes, registry: CollectorRegistry) -> FastAPI:
    """Build the application; `style` and `icon` are what its pages load."""
    app = FastAPI(title="Keep in Touch board", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.board = board
    for page in (landing, caseload, person, team, held, leave, audit):
        app.include_router(page.router)
    app.include_router(sign_in_routes(settings))
    _add_plain(app, board, style, icon, registry)
    add_errors(app)

    @app.middleware("http")
    async def secure(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        return fence(await go_on(request), request, board)

    return app


def _add_plain(app: FastAPI, board: Board, style: bytes, icon: bytes, registry: CollectorRegistry) -> None:
    def cached(body: bytes, kind: str) -> Response:
        return Response(body, media_type=kind, headers={"Cache-Control": "public, max-age=600"})

    def state(name: str, reasons: list[str]) -> Response:
        return JSONResponse({name: not reasons, "reasons": reasons}, status_code=503 if reasons else 200)

    @app.get("/static/board.css")
    async def style_sheet() -> Response:
        return cached(style, "text/css; charset=utf-8")

    @app.get("/static/icon.svg")
    async def picture() -> Response:
        return cached(icon, "image/svg+xml")

    @app.get("/healthz")
    async def healthz() -> Response:
        return state("healthy", list(board.unwell()))

    @app.get("/readyz")
    async def readyz() -> Response:
        return state("ready", list(board.not_ready()))

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
