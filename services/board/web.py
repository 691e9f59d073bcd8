"""The web application around the pages: who is signed in, what may be seen, forms, errors, and what every answer carries."""
from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChainableUndefined, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader

from keepintouch.councils import Councils
from services.board import limits, wording
from services.board.access import PAGES, Scope, scope_of
from services.board.actions import ActionDesk
from services.board.model.model import Model
from services.board.model.people import Place
from services.board.model.records import Alert
from services.board.model.staff import Worker
from services.board.publishing import Trail
from services.board.sessions import Session, Sessions
from services.board.who import Who, WhoIsWho

LARGEST_FORM = 32 * 1024
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x1f\x7f]*")
"""What leads nowhere else: browsers take a backslash for a slash, and leave tabs and line ends out."""
_HSTS = "max-age=31536000; includeSubDomains"
_HERE = Path(__file__).parent

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
                               "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer. There is no script anywhere, so none is allowed."""


@dataclass(slots=True)
class Board:
    """Everything the pages need, built once."""

    councils: Councils
    model: Model
    desk: ActionDesk
    trail: Trail
    sessions: Sessions
    who: WhoIsWho
    own_url: str
    made_up: bool
    """Whether people sign in by choosing who they are."""
    away_since: Callable[[], datetime | None]
    """As of when pages show what they show, where Kafka is away; None where it is not."""
    not_ready: Callable[[], Sequence[str]]
    unwell: Callable[[], Sequence[str]]
    posts: limits.Limit = field(default_factory=limits.posts)
    sign_ins: limits.Limit = field(default_factory=limits.sign_ins)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie: one that only https may set, where there is https."""
        return "__Host-board" if self.own_url.startswith("https://") else "board"

    def keep(self, response: Response, session: Session) -> Response:
        """Give the browser the session's id."""
        response.set_cookie(self.cookie, session.id, path="/", httponly=True, samesite="lax",
                            secure=self.own_url.startswith("https://"))
        return response

    def session(self, request: Request) -> Session | None:
        """The session of a request, if it has not ended."""
        return self.sessions.get(request.cookies.get(self.cookie))

    def render(self, template: str, *, status: int = 200, viewer: Viewer | None = None, session: Session | None = None,
               **context: Any) -> HTMLResponse:
        """A page."""
        session = session or (viewer.session if viewer is not None else None)
        said, since = [], self.away_since()
        if session is not None:
            said, session.said = session.said, []
        common = {"viewer": viewer, "worker": None if viewer is None else viewer.worker, "csrf": session.csrf if session else "",
                  "said": said, "away_since": since, "today": self.model.today, "pages": _navigation(viewer),
                  "once": secrets.token_urlsafe(18), "demo": self.made_up}
        return HTMLResponse(_templates.get_template(template).render(common | context), status)


@dataclass(slots=True)
class Viewer:
    """A member of staff who is signed in, and what they may see. Every route asks here."""

    board: Board
    session: Session
    worker: Worker
    scope: Scope
    path: str

    @property
    def model(self) -> Model:
        """What the board knows."""
        return self.board.model

    @property
    def today(self) -> date:
        """The London date now."""
        return self.model.today

    def need(self, page: str) -> None:
        """Answer 404 unless their role has this page."""
        if not self.has(page):
            raise HTTPException(404)

    def has(self, page: str) -> bool:
        """Whether their role has a page."""
        return self.worker.role in PAGES[page]

    def list_of(self, place: Place) -> tuple[str, str]:
        """The page from which they come to a person, and its name."""
        return start_of(self.worker, own=place.adviser_ref in self.scope.own)

    def place(self, ref: str) -> Place:
        """A person; 404 for one outside what they may see, or not known."""
        place = self.model.people.place(ref)
        if place is None or not self.scope.holds(place):
            raise HTTPException(404)
        return place

    def may_see(self, alert: Alert) -> bool:
        """Whether an alert's person may be seen."""
        return self.scope.holds(self.model.place_of(alert))

    def alert(self, alert_id: str) -> Alert:
        """An alert; 404 for one outside what they may see, or not known."""
        alert = self.model.alerts.get(alert_id)
        if alert is None or not self.may_see(alert):
            raise HTTPException(404)
        return alert

    def open_alerts(self, refs: Iterable[str]) -> list[Alert]:
        """Open alerts of people, of those who may be seen."""
        return [alert for alert in self.model.open_alerts(refs) if self.may_see(alert)]

    def colleague(self, ref: str | None) -> Worker:
        """A member of staff of their council; 404 for anybody else."""
        worker = self.model.staff.get(ref)
        if worker is None or worker.council != self.worker.council:
            raise HTTPException(404)
        return worker

    def looked(self, *person_refs: str) -> None:
        """Leave a record of what this page shows: of each person, or of a list where none is named."""
        for ref in person_refs or (None,):
            self.board.trail.looked(self.worker.ref, ref, self.path)

    def who(self, ref: str) -> Who:
        """What to call a young person."""
        return self.board.who.person(ref)

    def staff_name(self, ref: str | None) -> str:
        """What to call a member of staff."""
        if ref is None:
            return "nobody"
        known = self.model.staff.get(ref)
        return self.board.who.worker(ref, known.name if known is not None else None)

    def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page for them."""
        return self.board.render(template, viewer=self, status=status, **context)


def start_of(worker: Worker, *, own: bool) -> tuple[str, str]:
    """The page on which someone begins, and its name; `own`: whether it is about people of theirs."""
    if own or worker.role not in PAGES["team"]:
        return "/", "My people"
    return ("/council", "Council") if worker.role in PAGES["council"] else ("/team", "Team")


class SignInNeededError(Exception):
    """Nobody is signed in, or the sign-in has ended."""


class ForgedError(Exception):
    """A form that is not one of this session's pages."""


def signed_in(request: Request) -> Viewer:
    """Whoever is signed in and works here. Raises SignInNeededError."""
    board: Board = request.app.state.board
    session = board.session(request)
    with board.model.lock:
        worker = None if session is None else board.model.staff.get(session.worker_ref)
        if session is None or worker is None or not worker.active:
            if session is not None and session.worker_ref is not None:
                board.sessions.end(session)
            raise SignInNeededError
        return Viewer(board, session, worker, scope_of(worker, board.model.staff, board.model.today), request.url.path)


async def posted(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form that one of this session's own pages has sent. Raises SignInNeededError or ForgedError."""
    board: Board = request.app.state.board
    session = board.session(request)
    if session is None:
        raise SignInNeededError
    board.posts.take(session.id)
    fields = await fields_of(request)
    if not _is_ours(request) or not secrets.compare_digest(one(fields, "csrf").encode(), session.csrf.encode()):
        raise ForgedError
    request.state.fields = fields
    return fields


async def fields_of(request: Request) -> Mapping[str, list[str]]:
    """What a form says, whoever sent it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413)
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)


SignedIn = Annotated[Viewer, Depends(signed_in)]
Form = Annotated[Mapping[str, list[str]], Depends(posted)]


def one(fields: Mapping[str, list[str]], name: str) -> str:
    """The value of a field, empty where there is none."""
    return (fields.get(name) or [""])[0]


def local(path: str) -> str:
    """A path of ours to go to; the start page for anything else."""
    return path if _LOCAL.fullmatch(path) else "/"


def see(path: str) -> RedirectResponse:
    """Go there, by GET."""
    return RedirectResponse(local(path), status_code=303)


def fence(response: Response, request: Request, board: Board) -> Response:
    """Put onto an answer what every answer carries."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    if board.own_url.startswith("https://"):
        response.headers["Strict-Transport-Security"] = _HSTS
    if not request.url.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _is_ours(request: Request) -> bool:
    """Whether the browser says that the form came from one of our own pages; what it does not say is for the token."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return False
    # With Referrer-Policy: no-referrer a browser says "null" of our own forms, too.
    return origin in (None, "null") or origin.partition("://")[2] == request.headers.get("host")


def _navigation(viewer: Viewer | None) -> list[dict[str, Any]]:
    if viewer is None:
        return []
    names = {"caseload": ("My people", "/"), "team": ("Team", "/team"), "council": ("Council", "/council"),
             "held": ("Held messages", "/held"), "leave": ("Leave and cover", "/leave"), "audit": ("Who looked", "/audit")}
    return [{"text": text, "href": href, "current": viewer.path == href} for page, (text, href) in names.items()
            if viewer.has(page)]


def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(_HERE / "templates"),
                             PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")})]),
        autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"day": wording.day, "when": wording.when, "rule": wording.rule, "count": wording.count,
                            "days_ago": wording.days_ago}
    environment.globals["words"] = wording
    return environment


_templates = _environment()
