"""Signing in: by the council's own OpenID Connect, or in a demo by choosing who one is."""
from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import authlib.deprecate  # noqa: F401 -- it sets up its warnings when it is first imported
import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from joserfc.errors import JoseError

from keepintouch.runtime.logs import get_logger
from services.board.access import scope_of
from services.board.model.staff import Worker
from services.board.sessions import Session
from services.board.settings import BoardSettings
from services.board.web import Board, Form, local, one, see, start_of

with warnings.catch_warnings():   # Authlib would rather have httpx2 under it
    warnings.simplefilter("ignore")
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.starlette_client import OAuth

WAY_BACK = "/sign-in/back"
_PATIENCE = 10.0

_log = get_logger(__name__)


class Refused(Exception):  # noqa: N818 -- what a page says
    """Why someone cannot sign in, in a sentence."""


class Council:
    """The council's own sign-in: authorization code with PKCE, checked by Authlib."""

    def __init__(self, settings: BoardSettings) -> None:
        secret = settings.oidc_client_secret
        assert settings.oidc_issuer is not None
        oauth = OAuth()
        self._claim = settings.oidc_claim
        self._issuer = settings.oidc_issuer
        self._client: Any = oauth.register(
            "council", client_id=settings.oidc_client_id, client_secret=None if secret is None else secret.get_secret_value(),
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "timeout": _PATIENCE})

    async def begin(self, request: Request, back: str) -> RedirectResponse:
        """Send the browser to the council's sign-in."""
        redirect: RedirectResponse = await self._client.authorize_redirect(request, back)
        return redirect

    async def end(self, request: Request) -> str:
        """What the claim says of whoever came back. Raises Refused."""
        token = await self._client.authorize_access_token(request, claims_options={
            "iss": {"essential": True, "values": [self._issuer, f"{self._issuer}/"]}})
        claims: Mapping[str, Any] | None = token.get("userinfo")
        if claims is None:   # without an ID token nothing about the answer has been checked
            raise Refused("The council's sign-in gave no proof of who you are.")
        if self._claim not in claims:
            more = await self._client.userinfo(token=token)
            if more.get("sub") != claims.get("sub"):
                raise Refused("The council's sign-in contradicted itself.")
            claims = {**more, **claims}
        value = claims.get(self._claim)
        if not isinstance(value, str) or not value.strip():
            raise Refused(f"The council's sign-in did not tell your {self._claim.replace('_', ' ')}.")
        if self._claim == "email" and claims.get("email_verified") is False:
            raise Refused("The council's sign-in has not verified your e-mail address.")
        return value.strip()


def match(board: Board, claim: str, value: str) -> Worker:
    """The one active member of staff that a claim is about. Raises Refused."""
    wanted = value.casefold()
    with board.model.lock:
        found = [worker for slug in board.councils.slugs for worker in board.model.staff.of_council(slug)
                 if (worker.email or "").casefold() == wanted
                 or (claim != "email" and value in (worker.ref, board.who.case_id(worker.ref, "worker")))]
    if not found:
        raise Refused("You are signed in to your council, but you are not on its list of staff here. Ask your manager to have "
                      "you added, or check that the e-mail address in the case system is the one you sign in with.")
    if len(found) > 1:
        raise Refused("Several members of staff have the address you signed in with. Ask your manager to have that put right.")
    return found[0]


def routes(settings: BoardSettings) -> APIRouter:
    """The routes of signing in and out."""
    router = APIRouter()
    council = None if settings.made_up_sign_in else Council(settings)
    if council is None:
        router.include_router(_made_up())

    @router.get("/sign-in")
    async def sign_in(request: Request) -> Response:
        board = _asked_of(request)
        session = board.session(request) or board.sessions.begin()
        if council is None:
            with board.model.lock:
                staff = [worker for slug in sorted(board.councils.slugs) for worker in board.model.staff.of_council(slug)]
                return board.keep(board.render("sign_in.html", session=session, staff=staff), session)
        request.scope["session"] = session.state
        try:
            return board.keep(await council.begin(request, f"{board.own_url}{WAY_BACK}"), session)
        except (OAuthError, httpx.HTTPError, JoseError, ValueError, KeyError) as error:
            _log.warning("sign_in_failed", reason=type(error).__name__)
            return board.render("message.html", status=503, title="Signing in does not work just now",
                                text="The council's sign-in does not answer. Try again in a few minutes.", retry="/sign-in")

    @router.get(WAY_BACK)
    async def back(request: Request) -> Response:
        board = _asked_of(request)
        session = board.session(request)
        if council is None or session is None:
            return see("/sign-in")
        request.scope["session"] = session.state
        try:
            worker = match(board, settings.oidc_claim, await council.end(request))
        except Refused as refused:
            _log.warning("sign_in_refused")
            return board.render("message.html", status=403, title="You cannot sign in", text=str(refused), retry="/sign-in")
        except (OAuthError, httpx.HTTPError, JoseError, ValueError, KeyError) as error:
            _log.warning("sign_in_failed", reason=type(error).__name__)
            return board.render("message.html", status=400, title="Signing in did not work",
                                text="It took too long, or was begun in another window. Nothing is lost: try again.",
                                retry="/sign-in")
        return _signed_in(board, worker, session)

    @router.post("/sign-out")
    def sign_out(request: Request, form: Form) -> Response:
        board: Board = request.app.state.board
        if (session := board.session(request)) is not None:
            board.sessions.end(session)
        answer = board.render("message.html", title="You are signed out", text="Close this window if others use this computer.",
                              retry="/sign-in", retry_text="Sign in again")
        answer.delete_cookie(board.cookie, path="/", secure=board.own_url.startswith("https://"), httponly=True, samesite="lax")
        return answer

    return router


def _made_up() -> APIRouter:
    """The routes of a demo, in which anybody is whoever they choose."""
    router = APIRouter()

    @router.post("/sign-in/as")
    def choose(request: Request, form: Form) -> Response:
        board = _asked_of(request)
        return _as(board, one(form, "worker"), board.session(request))

    @router.get("/sign-in/as/{worker_ref}/{ref}")
    def follow(worker_ref: str, ref: str, request: Request) -> Response:
        """The link of a demo's text: be who received it, and go to its alerts."""
        board = _asked_of(request)
        session = board.sessions.begin()
        session.after_sign_in = f"/a/{ref}"
        return _as(board, worker_ref, session)

    return router


def _asked_of(request: Request) -> Board:
    """The board, which counts whoever wants to sign in. Raises TooOftenError."""
    board: Board = request.app.state.board
    board.sign_ins.take(request.client.host if request.client else "")
    return board


def _as(board: Board, worker_ref: str, session: Session | None) -> Response:
    with board.model.lock:
        worker = board.model.staff.get(worker_ref)
    if session is None or worker is None or not worker.active:
        return board.render("message.html", status=404, title="Page not found", retry="/sign-in",
                            text="There is nobody of that name to sign in as.")
    return _signed_in(board, worker, session)


def _signed_in(board: Board, worker: Worker, session: Session) -> Response:
    new = board.sessions.sign_in(worker.ref, instead_of=session)
    _log.info("signed_in", worker_ref=worker.ref, council=worker.council)
    page = local(session.after_sign_in)
    if page == "/":
        with board.model.lock:
            scope = scope_of(worker, board.model.staff, board.model.today)
            page, _ = start_of(worker, own=bool(scope.caseload(board.model.people)))
    return board.keep(see(page), new)
