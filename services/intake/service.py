"""What the gateway does, without HTTP: events through the gate, manifests, staff, and what was not accepted."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import DBAPIError

from keepintouch.acceptance import Refused, accept_record
from keepintouch.publishing import to_json
from keepintouch.refs import RefError, Refs, load_key
from keepintouch.runtime.database import Database
from keepintouch.runtime.kafka import BrokerUnreachable
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.topics import STAFF
from keepintouch.staff import keeping
from schemas.common import council_of
from schemas.events import Feed, envelope
from schemas.staff import Staff
from services.intake import ledger
from services.intake.answers import FeedComplete, Letter, Letters, SourceShare
from services.intake.case_ids import fields_with_refs
from services.intake.door import Admitted, TurnedAway, judge
from services.intake.gate import Away, Gate, Outcome, Post
from services.intake.keys import Caller
from services.intake.ledger import ACCEPTED, DEAD_LETTER, REPEATED
from services.intake.metrics import Metrics
from services.intake.writer import Outgoing, Writer

_log = get_logger(__name__)


class NoKey(Exception):  # noqa: N818 – it names what is missing
    """The council's key, which case ids are turned into refs with, is not at hand."""


@dataclass(slots=True)
class Intake:
    """Built once and passed in; may be used by several threads."""

    gate: Gate
    writer: Writer
    database: Database
    councils: frozenset[str]
    keys_dir: Path
    now: Callable[[], datetime]
    read_staff: Callable[[], Mapping[str, Staff]]
    metrics: Metrics
    patience: timedelta
    keep: timedelta
    _refs: dict[str, Refs] = field(default_factory=dict)
    _staff_turn: threading.Lock = field(default_factory=threading.Lock)

    def refs(self, council: str) -> Refs:
        """The council's key in use. Raises NoKey."""
        if council not in self._refs:
            try:
                self._refs[council] = load_key(self.keys_dir, council)
            except RefError:
                raise NoKey from None
        return self._refs[council]

    def post(self, caller: Caller, events: Sequence[object], refs: Refs | None) -> tuple[Post, Future[list[Outcome]]]:
        """Judge events and put those admitted into the gate's queue. Raises Busy; the future may raise Away."""
        now = self.now()
        return self._submit(caller, [judge(each, caller, refs, now, self.councils) for each in events])

    def turn_away(self, caller: Caller, body: Refused) -> tuple[Post, Future[list[Outcome]]]:
        """As `post`, for a body that cannot be read as events: it counts as one."""
        return self._submit(caller, [TurnedAway(None, None, body.reason, body.detail)])

    def _submit(self, caller: Caller, judged: Sequence[Admitted | TurnedAway]) -> tuple[Post, Future[list[Outcome]]]:
        post = Post(caller, judged, time.monotonic() + self.patience.total_seconds())
        return post, self.gate.submit(post)

    def complete(self, caller: Caller, council: str, feed: str, said: FeedComplete,
                 source: str) -> tuple[Post, Future[list[Outcome]]]:
        """As `post`, for a manifest."""
        recorded_at = said.recorded_at or self.now()
        manifest = Feed(council=council, feed=feed, complete_through=said.complete_through, records=said.records,
                        recorded_at=recorded_at)
        event = envelope(manifest, id=f"{council}/{feed}/{said.complete_through}/{recorded_at.isoformat()}", source=source)
        return self.post(caller, [orjson.loads(to_json(event))], None)

    def put_staff(self, council: str, given: Sequence[object], refs: Refs | None) -> list[Outcome]:
        """Write members of staff, each keeping what it does not say of leave and cover. Raises Away."""
        with self._staff_turn:   # or two would keep what the other has just ended
            try:
                known = self.read_staff()
            except BrokerUnreachable:
                raise Away("kafka") from None
            judged = [_member(each, council, refs, known) for each in given]
            members = [each for each in judged if isinstance(each, Staff)]
            done = self.writer.write(STAFF, [Outgoing(each.worker_ref.encode(), to_json(each)) for each in members])
        if failed := len(done) - sum(done):
            self.metrics.kafka_errors.labels(STAFF).inc(failed)
            raise Away("kafka")
        _log.info("staff_written", council=council, count=len(members))
        outcomes: list[Outcome] = [ACCEPTED if isinstance(each, Staff) else each for each in judged]
        for outcome in outcomes:
            self.metrics.staff.labels(council, outcome.reason if isinstance(outcome, TurnedAway) else outcome).inc()
        return outcomes

    def letters(self, council: str, sources: frozenset[str] | None, limit: int) -> Letters:
        """What was not accepted of what these sources sent, as long as it is remembered. Raises Away."""
        since = self.now().astimezone(UTC) - self.keep
        try:
            with self.database.read() as connection:
                totals = ledger.totals(connection, council, sources, since.date())
                newest = ledger.newest(connection, council, sources, since, limit)
        except DBAPIError as error:
            _log.error("database_away", reason=type(error.orig).__name__)
            raise Away("database") from None
        names = sorted(totals if sources is None else sources)
        return Letters(since=since.date(), sources=[_share(name, totals.get(name, {})) for name in names],
                       newest=[_letter(each) for each in newest])


def _member(given: object, council: str, refs: Refs | None, known: Mapping[str, Staff]) -> Staff | TurnedAway:
    if type(given) is not dict:
        return TurnedAway(None, None, "schema", "value: not a JSON object")
    told = fields_with_refs(given, refs) if refs is not None else given
    if isinstance(told, Refused):
        return TurnedAway(None, None, told.reason, told.detail)
    ref = told.get("worker_ref")
    try:
        value = orjson.dumps(keeping(told, known.get(ref) if type(ref) is str else None))
    except orjson.JSONEncodeError:
        return TurnedAway(None, None, "schema", "value: nested too deeply")
    member = accept_record(Staff, value, None, lambda read: read.worker_ref)
    if isinstance(member, Refused):
        return TurnedAway(None, None, member.reason, member.detail)
    if member.council != council:
        return TurnedAway(None, None, "not_yours", "council: this API key is for another council")
    if council_of(member.worker_ref) != council:
        return TurnedAway(None, None, "not_yours", "worker_ref: of another council")
    return member


def _share(source: str, results: Mapping[str, int]) -> SourceShare:
    accepted, repeated, letters = (results.get(name, 0) for name in (ACCEPTED, REPEATED, DEAD_LETTER))
    reasons = {name: number for name, number in sorted(results.items())
               if name not in (ACCEPTED, REPEATED, DEAD_LETTER)}
    refused = sum(reasons.values())
    events = accepted + repeated + refused
    every = max(events, refused + letters)   # who writes to Kafka directly has dead letters only
    return SourceShare(source=source, events=events, accepted=accepted, repeated=repeated, refused=refused, dead_letters=letters,
                       share_bad=round((refused + letters) / every, 4) if every else None, reasons=reasons)


def _letter(each: ledger.Refusal) -> Letter:
    return Letter(at=each.at, source=each.source, id=each.event_id, where="door" if each.partition is None else "topic",
                  reason=each.reason, field=each.detail.partition(":")[0], detail=each.detail, partition=each.partition,
                  offset=each.offset)


def outcome_words(outcome: Outcome) -> dict[str, Any]:
    """What an answer says of one outcome, besides its place and id."""
    if isinstance(outcome, TurnedAway):
        return {"result": "refused", "reason": outcome.reason, "field": outcome.field, "detail": outcome.detail}
    return {"result": outcome}
