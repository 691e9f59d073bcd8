"""The one way through to Kafka: posts that come together go together, one round after another.

A round, in this order: what was accepted before is looked up · what was not is written · Kafka has acknowledged it · it is
noted · the posts are answered. A crash anywhere leaves a post without an answer; sent again, it is at worst on the topic twice,
which changes nothing. Nothing is answered as accepted that Kafka does not have.
"""
from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from keepintouch.runtime.database import Database
from keepintouch.runtime.logs import get_logger
from keepintouch.runtime.stopping import fail_stop
from keepintouch.runtime.topics import EVENTS
from schemas.events import Feed, Person, PersonErased
from services.intake import erasing, ledger
from services.intake.door import Admitted, TurnedAway, turned_away
from services.intake.keys import Caller
from services.intake.ledger import ACCEPTED, REPEATED, Refusal
from services.intake.metrics import Metrics
from services.intake.writer import Outgoing, Writer

MOST_UNDER_WAY = 20_000
"""Events taken in and not answered yet: some 100 MB. Who would add to more is told to come again."""
_MOST_EVENTS = 4_000
"""Of one round, unless a single post has more."""
_MOST_DETAILS = 100
"""Refusals of one post that are noted with what was wrong; all are counted, and all are answered."""

_log = get_logger(__name__)


class Away(Exception):  # noqa: N818 – it names a state of the world
    """Kafka, or our database (`what`), does not answer: nothing is known to have been taken, and all may be sent again."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Busy(Exception):  # noqa: N818
    """Too many events wait already."""


Outcome = str | TurnedAway
"""ACCEPTED, REPEATED, or why not."""


@dataclass(slots=True)
class Post:
    """What one request brought, in its order."""

    caller: Caller
    judged: Sequence[Admitted | TurnedAway]
    deadline: float
    """By `time.monotonic`: later it is not tried any more, for nobody waits for the answer."""
    outcomes: Future[list[Outcome]] = field(default_factory=Future)


@dataclass(slots=True)
class Gate:
    """Takes posts from any thread; works in one of its own."""

    writer: Writer
    database: Database
    now: Callable[[], datetime]
    metrics: Metrics
    label: Callable[[str], str] = lambda source: source
    """What a source is called in metrics."""
    kafka_away: threading.Event = field(default_factory=threading.Event)
    """Set while the last round that had something to write could not."""
    _waiting: queue.Queue[Post | None] = field(default_factory=queue.Queue)
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then end."""
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def submit(self, post: Post) -> Future[list[Outcome]]:
        """Put a post into the queue; its future has one outcome for each event, or raises Away. Raises Busy."""
        with self._lock:
            if self._under_way >= MOST_UNDER_WAY:
                raise Busy
            self._under_way += len(post.judged)
        self.metrics.under_way.inc()
        post.outcomes.add_done_callback(lambda _: self._answered(post))
        self._waiting.put(post)
        return post.outcomes

    def _answered(self, post: Post) -> None:
        self.metrics.under_way.dec()
        with self._lock:
            self._under_way -= len(post.judged)

    def _run(self) -> None:
        try:
            stopping = False
            while not stopping:
                posts, stopping = self._next()
                if posts:
                    self.round(posts)
        except BaseException as error:
            fail_stop("gate", error)

    def _next(self) -> tuple[list[Post], bool]:
        """What waits, and at least one; and whether that was the last."""
        posts, events = list[Post](), 0
        each = self._waiting.get()
        while each is not None:
            posts.append(each)
            events += len(each.judged)
            if events >= _MOST_EVENTS:
                return posts, False
            try:
                each = self._waiting.get_nowait()
            except queue.Empty:
                return posts, False
        return posts, True

    def round(self, posts: Sequence[Post]) -> None:
        """Take posts through; when it returns all are answered."""
        started, in_time = time.monotonic(), list[Post]()
        for post in posts:
            if post.deadline > started:
                in_time.append(post)
            else:
                post.outcomes.set_exception(Away("kafka"))
        try:
            _Round(self, in_time).go()
        except DBAPIError as error:
            _log.error("database_away", reason=type(error.orig).__name__)
            for post in in_time:
                if not post.outcomes.done():
                    post.outcomes.set_exception(Away("database"))


class _Round:
    """Posts on their way through."""

    def __init__(self, gate: Gate, posts: Sequence[Post]) -> None:
        self._gate, self._posts, self._now = gate, posts, gate.now()
        self._to_write: dict[bytes, Admitted] = {}
        """By statement."""
        self._written: dict[bytes, bool] = {}

    def go(self) -> None:
        """From the look-up to the answers."""
        gate = self._gate
        admitted = [each for post in self._posts for each in post.judged if isinstance(each, Admitted)]
        with gate.database.read() as connection:
            before = ledger.known(connection, {each.statement for each in admitted})
        decided = [self._decide(post, before, self._people(admitted)) for post in self._posts]
        self._write()
        answers = [self._answer(outcomes) for outcomes in decided]
        with gate.database.write() as connection:
            self._note(connection, answers)
        self._show(answers)
        for post, answer in zip(self._posts, answers, strict=True):
            if answer is None:
                post.outcomes.set_exception(Away("kafka"))
            else:
                post.outcomes.set_result(answer)

    def _people(self, admitted: Sequence[Admitted]) -> Mapping[tuple[str, str], bool]:
        """For council and source whether that is where the council's people come from."""
        asking = sorted({(each.council, each.source) for each in admitted if each.is_person})
        if not asking:
            return {}
        with self._gate.database.write() as connection:
            return {each: ledger.may_send_people(connection, *each, self._now) for each in asking}

    def _decide(self, post: Post, before: Mapping[bytes, bytes],
                people: Mapping[tuple[str, str], bool]) -> list[TurnedAway | tuple[str, bytes | None]]:
        """For each event a refusal, or what it will be and the statement that must be written for that."""
        decided: list[TurnedAway | tuple[str, bytes | None]] = []
        for each in post.judged:
            if isinstance(each, TurnedAway):
                decided.append(each)
                continue
            first = self._to_write.get(each.statement)
            content = first.content if first is not None else before.get(each.statement)
            if each.is_person and not people[each.council, each.source]:
                decided.append(turned_away(each, "other_people_source", "source: snapshots of this council's people come from "
                               "another source; the operator says from where they may (keepintouch sources people)"))
            elif content is None:
                self._to_write[each.statement] = each
                decided.append((ACCEPTED, each.statement))
            elif content != each.content:
                decided.append(turned_away(each, "id_reused", "id: sent before with other content and the same recorded_at; a "
                                           "correction has a later recorded_at"))
            else:
                decided.append((REPEATED, each.statement if first is not None else None))
        return decided

    def _write(self) -> None:
        if not self._to_write:
            return
        records = [Outgoing(each.key, each.value, each.is_manifest) for each in self._to_write.values()]
        self._written = dict(zip(self._to_write, self._gate.writer.write(EVENTS, records), strict=True))
        if failed := len(records) - sum(self._written.values()):
            self._gate.metrics.kafka_errors.labels(EVENTS).inc(failed)
            self._gate.kafka_away.set()
        else:
            self._gate.kafka_away.clear()

    def _answer(self, decided: Sequence[TurnedAway | tuple[str, bytes | None]]) -> list[Outcome] | None:
        """None for a post of which Kafka does not have everything that it should: it is to be sent again as a whole."""
        answer: list[Outcome] = []
        for each in decided:
            if isinstance(each, TurnedAway):
                answer.append(each)
            elif each[1] is None or self._written[each[1]]:
                answer.append(each[0])
            else:
                return None
        return answer

    def _note(self, connection: Connection, answers: Sequence[list[Outcome] | None]) -> None:
        day = self._now.astimezone(UTC).date()
        had = {statement: self._to_write[statement] for statement, written in self._written.items() if written}
        ledger.remember(connection, {statement: (each.content, each.person) for statement, each in had.items()}, day)
        for each in sorted(had.values(), key=lambda each: not isinstance(each.data, PersonErased)):   # a snapshot may be later
            if isinstance(each.data, PersonErased):
                erasing.erase(connection, each.data.person_ref, each.data.recorded_at, self._now)
            elif isinstance(each.data, Person):
                erasing.known_again(connection, each.data.person_ref, each.data.recorded_at)
            elif isinstance(each.data, Feed):
                ledger.note_feed(connection, each.council, each.data.feed, each.data.complete_through, each.data.records,
                                 self._now)
        ledger.count(connection, self._counted(answers), day)
        ledger.refuse(connection, [
            Refusal(where[0], where[1], each.event_id, self._now, each.reason, each.detail, person=each.person)
            for post, answer in zip(self._posts, answers, strict=True) if answer is not None
            for each in [each for each in answer if isinstance(each, TurnedAway)][:_MOST_DETAILS]
            if (where := _where(post.caller, each.source)) is not None])

    def _counted(self, answers: Sequence[list[Outcome] | None]) -> Counter[tuple[ledger.Where, str]]:
        counted: Counter[tuple[ledger.Where, str]] = Counter()
        for post, answer in zip(self._posts, answers, strict=True):
            for each, outcome in zip(post.judged, answer or (), strict=answer is not None):
                if isinstance(outcome, TurnedAway):
                    if (where := _where(post.caller, outcome.source)) is not None:
                        counted[where, outcome.reason] += 1
                elif isinstance(each, Admitted):
                    counted[(each.council, each.source), outcome] += 1
        return counted

    def _show(self, answers: Sequence[list[Outcome] | None]) -> None:
        metrics = self._gate.metrics
        for ((council, source), result), number in self._counted(answers).items():
            metrics.events.labels(council, self._gate.label(source), result).inc(number)
        for statement, each in self._to_write.items():
            if isinstance(each.data, Feed) and self._written[statement]:
                metrics.feed_complete(each.council, each.data.feed, each.data.complete_through)
                _log.info("feed_complete", council=each.council, feed=each.data.feed, count=each.data.records)


def _where(caller: Caller, source: str | None) -> ledger.Where | None:
    """To whom a refusal is told: the key's council, and the source named if the key is for it, else the key's first."""
    if caller.council is None:
        return None
    if caller.sources is not None and (source is None or source not in caller.sources):
        source = min(caller.sources)
    return caller.council, source or ""
