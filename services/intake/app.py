"""The gateway over HTTP. Whatever comes in, the answer is a reason and what to do, in JSON; never a traceback."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepintouch.acceptance import Refused, accept_record
from keepintouch.refs import Refs
from schemas.common import SLUG_PATTERN
from services.intake import openapi
from services.intake.answers import FeedComplete, Letters
from services.intake.bodies import JSON, UnsupportedMediaType, media_type, read_events
from services.intake.door import Admitted, TurnedAway
from services.intake.gate import Away, Busy, Outcome, Post
from services.intake.keys import Caller
from services.intake.keys import Refs as SentRefs
from services.intake.limits import Limits
from services.intake.service import Intake, NoKey, outcome_words

BODY_SECONDS = 30.0
"""How long a request may take to arrive."""
_INLINE = 16 * 1024
"""Bytes of a body that are judged at once; a larger one would keep the others waiting, and goes to a thread."""
_TRIES_PER_MINUTE = 60
"""Requests with a wrong key, from one address."""
_ON_EVERY_ANSWER = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_FORBIDDEN = frozenset({"not_yours", "other_people_source"})



class Declined(Exception):  # noqa: N818 – it is an answer
    """A request that is not done as a whole."""

    def __init__(self, status: int, reason: str, detail: str, retry_after: int | None = None, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


@dataclass(slots=True)
class Web:
    """What the application needs to answer."""

    intake: Intake
    caller: Callable[[str], Caller | None]
    """Whose key this is; with an empty one: who is let in without."""
    largest_body: int
    limits: Limits
    not_ready: Callable[[], Sequence[str]]
    unwell: Callable[[], Sequence[str]]
    wrong_keys: Limits = field(default_factory=lambda: Limits(_TRIES_PER_MINUTE))
    _open: dict[str | None, set[asyncio.Future[None]]] = field(default_factory=dict)
    """Posts that have begun and are not answered yet, by council."""

    def who(self, request: Request, key: str) -> Caller:
        """Who sends; 401 for nobody, 429 for who tries too often."""
        caller = self.caller(key)
        if caller is None:
            address = request.client.host if request.client else ""
            wait = self.wrong_keys.take(address, 1, time.monotonic())
            raise self.declined("no_key", Declined(429, "rate", "too many requests with a wrong key: wait", wait)) if wait else \
                self.declined("no_key", Declined(401, "no_key", "send an API key that holds: Authorization: Bearer kit_... "
                                                 "(the council's operator makes one)", WWW_Authenticate="Bearer"))
        if caller.council is not None and caller.council not in self.intake.councils:
            raise Declined(403, "not_yours", "the council of this API key is not in the councils file: ask its operator")
        return caller

    def pay(self, caller: Caller, cost: int) -> None:
        """429 if the caller has sent too much in the last minute."""
        if wait := self.limits.take(caller.key_id, cost, time.monotonic()):
            raise self.declined("rate", Declined(429, "rate", f"more than {self.limits.per_minute} events a minute with this API "
                                                 "key: send the same again after the seconds of Retry-After", wait))

    def declined(self, reason: str, answer: Declined) -> Declined:
        """The same, counted."""
        self.intake.metrics.turned_away.labels(reason).inc()
        return answer

    def refs(self, request: Request, caller: Caller) -> Refs | None:
        """The council's key in use, if the request has case ids in the place of refs."""
        said = request.headers.get("refs", "").strip().lower() or (caller.refs or "")
        if not said or said == caller.refs == SentRefs.PSEUDONYMS:
            return None
        if caller.refs == SentRefs.PSEUDONYMS:
            raise Declined(400, "refs", "this API key is for refs of your own: leave out the header Refs")
        if said != "case-ids":
            raise Declined(400, "refs", "the header Refs has one value, case-ids; without it what is sent must be refs")
        try:
            return self.intake.refs(self.council(caller))
        except NoKey:
            raise Declined(422, "refs", "the key that turns this council's case ids into refs is not at hand here: the operator "
                           "makes it with 'keepintouch keys new'") from None

    def council(self, caller: Caller) -> str:
        """The caller's council."""
        if caller.council is None:
            raise Declined(403, "not_yours", "without an API key nobody knows for which of several councils this is")
        return caller.council

    async def body(self, request: Request) -> bytes:
        """The whole body; 413, 415 or 408 for one that is too large, packed or slow."""
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Declined(415, "content_encoding", "send it as it is, without Content-Encoding")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.largest_body:
                        raise self.declined("too_large", Declined(
                            413, "too_large", f"a request may have {self.largest_body} bytes: send it in smaller batches",
                            Connection="close"))
        except TimeoutError:
            raise Declined(408, "slow", "the request did not arrive in time: send smaller batches", Connection="close") from None
        except ClientDisconnect:
            raise Declined(400, "broken_off", "the request broke off") from None
        return bytes(body)

    async def through(self, caller: Caller, submit: Callable[[], tuple[Post, Future[list[Outcome]]]], large: bool) -> Response:
        """Put a post through the gate and answer it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._open.setdefault(caller.council, set())
        waiting.add(done)
        try:
            post, future = await run_in_threadpool(submit) if large else submit()
            outcomes = await asyncio.wrap_future(future)
        except Busy:
            raise self.declined("busy", Declined(503, "busy", "too much waits already: send the same again in a second", 1)
                                ) from None
        except Away as away:
            raise self.away(away) from None
        finally:
            waiting.discard(done)
            done.set_result(None)
        return _results(outcomes, [each.event_id for each in post.judged],
                        [each.left_out if isinstance(each, Admitted) else () for each in post.judged])

    async def settled(self, council: str) -> None:
        """Return when every post of a council that has begun is answered, but for one that takes very long."""
        if begun := list(self._open.get(council, ())):
            await asyncio.wait(begun, timeout=BODY_SECONDS)

    def away(self, away: Away) -> Declined:
        """503 for what cannot be done now."""
        return self.declined(f"{away.what}_away", Declined(
            503, f"{away.what}_away", "nothing is known to have been taken: send the same again after the seconds of "
            "Retry-After; what was taken after all is then answered as repeated", 5))


_bearer = HTTPBearer(auto_error=False, description="An API key: `kit_...`. It is for one council, and for the sources it names.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _key(given: HTTPAuthorizationCredentials | None) -> str:
    return given.credentials if given is not None else ""


def make_app(web: Web) -> FastAPI:
    """The gateway's HTTP application."""
    app = FastAPI(title="Keep in Touch: intake", version="1", description=openapi.ABOUT, docs_url=None, redoc_url=None)
    app.add_middleware(_Measured, metrics=web.intake.metrics)
    _add_handlers(app)
    _add_events(app, web)
    _add_feeds_and_staff(app, web)
    _add_letters(app, web)
    _add_health(app, web)
    app.openapi = openapi.described(app)  # type: ignore[method-assign]
    return app


def _add_events(app: FastAPI, web: Web) -> None:
    @app.post("/v1/events", tags=["events"], summary="Send one event or a batch", description=openapi.EVENTS,
              openapi_extra=openapi.EVENTS_BODY, responses=openapi.RESULTS, status_code=202, response_class=Response)
    async def events(request: Request, given: Credentials) -> Response:
        caller = web.who(request, _key(given))
        refs = web.refs(request, caller)
        web.pay(caller, 0)   # who owes already need not send the body
        body = await web.body(request)
        try:
            found = read_events(request.headers.items(), body)
        except UnsupportedMediaType:
            raise Declined(415, "content_type", openapi.MEDIA_TYPES) from None
        web.pay(caller, len(found) if isinstance(found, list) and found else 1)
        if isinstance(found, Refused):   # the body as a whole: nobody can say how many events it was
            return await web.through(caller, lambda: web.intake.turn_away(caller, found), large=False)
        return await web.through(caller, lambda: web.intake.post(caller, found, refs), len(body) > _INLINE)


def _add_feeds_and_staff(app: FastAPI, web: Web) -> None:
    @app.post("/v1/feeds/{feed}/complete", tags=["feeds"], summary="Say that everything up to a day is in",
              description=openapi.COMPLETE, openapi_extra=openapi.COMPLETE_BODY, responses=openapi.RESULTS, status_code=202,
              response_class=Response)
    async def complete(feed: Annotated[str, Path(pattern=SLUG_PATTERN, description="name of the feed")], request: Request,
                       given: Credentials) -> Response:
        caller = web.who(request, _key(given))
        council = web.council(caller)
        web.pay(caller, 1)
        said = _message(FeedComplete, await _json(web, request))
        source = said.source
        if source is None:
            if caller.sources is None or len(caller.sources) != 1:
                raise Declined(422, "schema", "source: say which of the sources of this API key it comes from")
            [source] = caller.sources
        await web.settled(council)
        return await web.through(caller, lambda: web.intake.complete(caller, council, feed, said, source), large=False)

    @app.put("/v1/staff", tags=["staff"], summary="Say who works here", description=openapi.STAFF,
             openapi_extra=openapi.STAFF_BODY, responses=openapi.RESULTS, status_code=202, response_class=Response)
    async def staff(request: Request, given: Credentials) -> Response:
        caller = web.who(request, _key(given))
        council, refs = web.council(caller), web.refs(request, caller)
        web.pay(caller, 1)
        body = await _json(web, request)
        try:
            members = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Declined(400, "not_json", f"value: not JSON in UTF-8, at line {error.lineno} column {error.colno}") from None
        if type(members) is not list:
            raise Declined(422, "schema", "value: should be an array of staff")
        web.pay(caller, len(members))
        try:
            outcomes = await run_in_threadpool(web.intake.put_staff, council, members, refs)
        except Away as away:
            raise web.away(away) from None
        return _results(outcomes, [None] * len(members), [()] * len(members))


def _add_letters(app: FastAPI, web: Web) -> None:
    @app.get("/v1/dead-letters", tags=["what was not accepted"], summary="What was refused, and the share of it",
             description=openapi.LETTERS, responses=openapi.PROBLEMS, response_model=Letters)
    async def dead_letters(request: Request, given: Credentials,
                           limit: Annotated[int, Query(ge=0, le=1000, description="of single ones at most")] = 100) -> Letters:
        caller = web.who(request, _key(given))
        council = web.council(caller)
        web.pay(caller, 1)
        try:
            return await run_in_threadpool(web.intake.letters, council, caller.sources, limit)
        except Away as away:
            raise web.away(away) from None


def _add_health(app: FastAPI, web: Web) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return _state("healthy", web.unwell())

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return _state("ready", web.not_ready())

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(web.intake.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _json(web: Web, request: Request) -> bytes:
    if media_type(request.headers.get("content-type", "")) != JSON:
        raise Declined(415, "content_type", f"send it with Content-Type: {JSON}")
    return await web.body(request)


def _message(model: type[FeedComplete], body: bytes) -> FeedComplete:
    said = accept_record(model, body, None, lambda _: "")
    if isinstance(said, Refused):
        raise Declined(400 if said.reason == "not_json" else 413 if said.reason == "too_large" else 422, said.reason, said.detail)
    return said


def _results(outcomes: Sequence[Outcome], ids: Sequence[str | None], left_out: Sequence[Sequence[str]]) -> Response:
    """One entry for each, and the status that says whether all, some or none are in."""
    results: list[dict[str, Any]] = []
    counts = {"accepted": 0, "repeated": 0, "refused": 0}
    for index, (outcome, event_id, others) in enumerate(zip(outcomes, ids, left_out, strict=True)):
        words = outcome_words(outcome)
        counts[words["result"]] += 1
        entry = {"index": index, "id": event_id, **words}
        if others:
            entry["left_out"] = [each[:100] for each in others[:10]]
        results.append({name: value for name, value in entry.items() if value is not None})
    return _answer(_status(outcomes), {**counts, "results": results})


def _status(outcomes: Sequence[Outcome]) -> int:
    reasons = {each.reason for each in outcomes if isinstance(each, TurnedAway)}
    if not reasons:
        return 202
    if any(not isinstance(each, TurnedAway) for each in outcomes):
        return 207
    if reasons == {"too_large"}:
        return 413
    if reasons == {"not_json"}:
        return 400
    return 403 if reasons <= _FORBIDDEN else 422


def _answer(status: int, content: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, JSON)


def _state(name: str, reasons: Sequence[str]) -> Response:
    return _answer(503 if reasons else 200, {name: not reasons, "reasons": list(reasons)})


def _add_handlers(app: FastAPI) -> None:
    async def declined(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Declined)
        return _answer(error.status, {"reason": error.reason, "detail": error.detail}, error.headers)

    async def no_such(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _answer(error.status_code, {"reason": "no_such_page" if error.status_code == 404 else "not_done",
                                           "detail": f"{error.detail}: what there is, is at /openapi.json"},
                       dict(error.headers or {}))

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        place = error.errors()[0]["loc"][-1]   # the words would repeat what was given
        return _answer(422, {"reason": "schema", "detail": f"{place}: is not as /openapi.json says"})

    async def unexpected(_request: Request, _error: Exception) -> Response:
        return _answer(500, {"reason": "unexpected", "detail": "this is a mistake of ours, and its place is in our log; nothing "
                                                               "is known to have been taken: send the same again later"})

    app.add_exception_handler(Declined, declined)
    app.add_exception_handler(HTTPException, no_such)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


class _Measured:
    """Times each request, and says of every answer that it is not to be kept."""

    def __init__(self, app: ASGIApp, metrics: Any) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_ON_EVERY_ANSWER]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            if path.startswith("/v1/"):
                self._metrics.seconds.labels(path, str(status)).observe(time.perf_counter() - started)


