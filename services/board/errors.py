"""What went wrong, as a page with one plain sentence and a way on."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.board.actions import RefusedError
from services.board.limits import TooOftenError
from services.board.publishing import NotRecordedError, NotSavedError
from services.board.web import Board, ForgedError, SignInNeededError, fence, fields_of, local, one, see

PLAIN = ("/healthz", "/readyz", "/metrics")
"""Answered to machines."""
_HOME: Any = {"retry": "/", "retry_text": "Go to my people"}
_TEXTS: Mapping[int, tuple[str, str]] = {
    404: ("Page not found", "There is no such page, or it is about somebody who is not one of your people. If a text sent you "
                            "here, it may have been put right, or be somebody else's now."),
    405: ("Page not found", "There is nothing to see at this address."),
    413: ("Nothing was saved", "The form was too large."),
    422: ("Page not found", "The address is not complete.")}
_NOBODY = ("Nothing was saved",
           "This is about somebody who is not one of your people any more, or it has been put right since the page was made.")


def add_errors(app: FastAPI) -> None:
    """Answer every error with a page."""
    for kind, handler in ((SignInNeededError, _sign_in_needed), (ForgedError, _forged), (RefusedError, _refused),
                          (NotSavedError, _not_saved), (NotRecordedError, _not_recorded), (TooOftenError, _too_often),
                          (HTTPException, _http), (RequestValidationError, _invalid), (Exception, _unexpected)):
        app.add_exception_handler(kind, handler)


def _board(request: Request) -> Board:
    board: Board = request.app.state.board
    return board


async def _sign_in_needed(request: Request, _: Exception) -> Response:
    board = _board(request)
    session = board.session(request) or board.sessions.begin()
    if request.method != "GET":
        session.after_sign_in = await _page_of_form(request)
        text = "Your sign-in has ended, so nothing was saved. Sign in: you come back to the page you were on and may do it again."
        return board.keep(board.render("message.html", status=403, title="Nothing was saved", text=text, retry="/sign-in",
                                       retry_text="Sign in"), session)
    session.after_sign_in = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return board.keep(see("/sign-in"), session)


async def _page_of_form(request: Request) -> str:
    """The page on which a form stands that has not been read yet."""
    if request.url.path == "/leave":
        return "/leave"
    try:
        return local(one(await fields_of(request), "back"))
    except HTTPException:
        return "/"


async def _forged(request: Request, _: Exception) -> Response:
    return _board(request).render(
        "message.html", status=403, title="Nothing was saved",
        text="This page was out of date, so nothing was saved. Open it again, and do it once more.", **_HOME)


async def _refused(request: Request, error: Exception) -> Response:
    back = local(one(getattr(request.state, "fields", {}), "back"))
    return _board(request).render("message.html", status=409, title="Nothing was saved", text=str(error), retry=back,
                                  retry_text="Go back to the page")


async def _not_saved(request: Request, _: Exception) -> Response:
    fields: Mapping[str, list[str]] = getattr(request.state, "fields", {})
    again = [(name, value) for name, values in fields.items() for value in values]   # the same form: it acts once
    return _board(request).render(
        "message.html", status=503, title="Not saved", again=again, again_to=request.url.path,
        text="Not saved: the place where it is kept cannot be reached just now. Nothing has changed. Try again in a minute.")


async def _not_recorded(request: Request, _: Exception) -> Response:
    return _board(request).render(
        "message.html", status=503, title="This page cannot be shown just now", retry=request.url.path,
        text="Who looks at whom is recorded, and just now that cannot be done. Try again in a minute.")


async def _too_often(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooOftenError)
    answer = _board(request).render("message.html", status=429, title="Too much at once", text=error.sentence, **_HOME)
    answer.headers["Retry-After"] = str(error.wait)
    return answer


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title, text = _TEXTS.get(error.status_code, ("Something is wrong", "Try again, or go to the start page."))
    if error.status_code == 404 and request.method == "POST":
        title, text = _NOBODY
    if request.url.path in PLAIN:
        return JSONResponse({"error": title}, status_code=error.status_code)
    return _board(request).render("message.html", status=error.status_code, title=title, text=text, **_HOME)


async def _invalid(request: Request, _: Exception) -> Response:
    title, text = _TEXTS[422]
    return _board(request).render("message.html", status=404, title=title, text=text, **_HOME)


async def _unexpected(request: Request, _: Exception) -> Response:
    board = _board(request)   # outside of what fences every other answer
    return fence(board.render(
        "message.html", status=500, title="Something is wrong here", **_HOME,
        text="This did not work, and it is not because of you. Whoever runs the board sees it in its log."), request, board)
