"""Hands messages to providers: claims one, gives it its words, calls, and writes down what came of it; and finds out what
became of those of which that is not known.

Waits here are real time: providers do not follow the service's clock.
"""
from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from sqlalchemy.engine import RowMapping

from keepintouch.councils import Councils
from keepintouch.runtime.clock import Clock
from keepintouch.runtime.database import AWAY, Database
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.channels import Accepted, Channel, Fault, LookUpFailedError, NotSent, Outcome, Outgoing, Refused, Uncertain
from services.notifier.gates import Gates, Place
from services.notifier.metrics import Metrics
from services.notifier.outbox import Evidence, Moment
from services.notifier.settings import LEASE_MARGIN, NotifierSettings
from services.notifier.wording import Words, wording

WORKERS = 8
"""Calls of providers at once."""

Channels = Mapping[tuple[str, str], Sequence[Channel]]
"""By council and channel (sms, email): the providers, in order of preference."""

_NO_PROVIDER_WAIT = timedelta(minutes=1)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, until `monotonic` time `until`, by the provider with that `turn` in `providers`."""

    row: RowMapping
    providers: Sequence[Channel]
    turn: int
    outgoing: Outgoing
    until: float

    @property
    def channel(self) -> Channel:
        """By which it goes."""
        return self.providers[self.turn]

    @property
    def place(self) -> Place:
        """Where it goes, as far as providers are concerned."""
        return _place(self.row, self.channel)


@dataclass(slots=True)
class Delivery:
    """Sends what is pending. `send_all` and the two look-ups are called by loops of their own, each by one thread."""

    database: Database
    channels: Channels
    councils: Councils
    clock: Clock
    moment: Callable[[], Moment]
    settings: NotifierSettings
    metrics: Metrics
    monotonic: Callable[[], float] = time.monotonic
    owner: str = field(default_factory=lambda: f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid4().hex[:8]}")
    pool: Executor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "send"))
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WORKERS))
    _failed: BaseException | None = None
    _gates: Gates = field(init=False)

    def __post_init__(self) -> None:
        """Every provider may be called."""
        self._gates = Gates(self.monotonic)

    def send_all(self) -> int:
        """Claim and hand over what is pending now, as far as workers are free; return how many were claimed."""
        begun = 0
        while self._free.acquire(timeout=0.1):
            if self._failed is not None:
                raise self._failed
            claimed = None
            try:
                claimed = self._claim()
            finally:
                if claimed is None:
                    self._free.release()
            if claimed is None:
                break
            begun += 1
            if isinstance(claimed, Claimed):
                self.pool.submit(self._send, claimed).add_done_callback(self._done)
            else:
                self._free.release()
        return begun

    def credentials_changed(self) -> None:
        """What was refused because of them is tried at once."""
        self._gates.try_again()
        with self.database.write() as connection:
            outbox.hurry(connection, self.moment())

    def close(self) -> None:
        """Wait for the calls that are under way."""
        self.pool.shutdown(wait=True)

    def _done(self, future: Future[None]) -> None:
        self._free.release()
        if (error := future.exception()) is not None:
            self._failed = error

    def _claim(self) -> Claimed | bool | None:
        """The next message; True for one that turned out not to be for sending now; None if there is none."""
        with self.database.read() as connection:
            if not outbox.is_pending(connection, self.moment()):
                return None
        until = self.monotonic() + self.settings.notifier_lease.total_seconds()
        with self.database.write() as connection:
            moment = self.moment()
            row = outbox.claim(connection, self.owner, moment, self.settings.notifier_lease)
            if row is None:
                return None
            if not self.settings.may_get(row["address"]):
                outbox.hold_in_trial(connection, row, moment)
                return True
            council = self.councils.councils.get(row["council"])
            said = wording(connection, row, moment.now, council.closed if council is not None else ())
            if said is None:
                outbox.drop(connection, row, "ended", moment)
                return True
            if not said.may_go(moment.now):
                if row["possible_duplicate"] or not said.template.of_steps:
                    opens = said.opens(moment.now) - moment.now
                    wait = timedelta(seconds=self.clock.real_seconds(opens))
                    outbox.postpone(connection, row, moment.real + wait, moment)
                else:
                    outbox.take_back(connection, row, "outside_hours", moment)
                return True
            providers = self.channels.get((row["council"], row["channel"]), ())
            turn = self._turn(row, providers)
            if turn is None or council is None:
                outbox.postpone(connection, row, moment.real + self._opens_in(row, providers), moment)
                return True
            if said.template.of_steps and not row["possible_duplicate"]:
                outbox.leave_out(connection, row, said.about, moment)
            # What may have been received already is sent again word for word.
            words = (Words(row["subject"], row["body"]) if row["possible_duplicate"]
                     else said.words(row["channel"], row["ref"], council.sign_in))
            row = outbox.begin(connection, row, template=str(said.template), subject=words.subject, body=words.body,
                               provider=providers[turn].provider, moment=moment)
        return Claimed(row, providers, turn, _outgoing(row), until)

    def _turn(self, row: RowMapping, providers: Sequence[Channel]) -> int | None:
        """Which provider is next: the first that may be called, from the one whose turn it is; None: none of them."""
        turns = range(len(providers))
        begin = row["provider_turn"] if row["provider_turn"] in turns else 0
        return next((turn for turn in [*turns[begin:], *turns[:begin]] if self._gates.enter(_place(row, providers[turn]))), None)

    def _opens_in(self, row: RowMapping, providers: Sequence[Channel]) -> timedelta:
        """How long until one may be called; where there is none, the council or its channel has left the councils file."""
        waits = [self._gates.opens_in(_place(row, each)) for each in providers]
        return max(min(waits, default=_NO_PROVIDER_WAIT), timedelta(seconds=1))

    def _following(self, claimed: Claimed) -> int | None:
        """Which provider is to be tried at once with what this one definitely did not send."""
        later = range(claimed.turn + 1, len(claimed.providers))
        return next((turn for turn in later if not self._gates.opens_in(_place(claimed.row, claimed.providers[turn]))), None)

    def _send(self, claimed: Claimed) -> None:
        spare = self.settings.spare_for_a_call(LEASE_MARGIN)
        if claimed.until - self.monotonic() < spare.total_seconds():   # it has waited too long since it was claimed
            self._record(claimed, NotSent("lease_too_short"), claimed.turn)
            return
        outcome = self._call(claimed)
        self._watch(claimed, outcome)
        self._record(claimed, outcome, self._following(claimed))

    def _record(self, claimed: Claimed, outcome: Outcome, following: int | None) -> None:
        try:
            with self.database.write() as connection:
                kept = outbox.record(connection, claimed.row, outcome, self.moment(), self.settings.notifier_uncertain_after,
                                     following)
        except AWAY as error:   # the database is away: when the lease is over the message will be looked for
            _log.warning("not_recorded", notification_id=claimed.outgoing.id, provider=claimed.channel.provider,
                         state=_name(outcome), reason=type(error.orig).__name__)
            return
        if not kept:
            self.metrics.stale_claims.inc()
            _log.warning("stale_claim", notification_id=claimed.outgoing.id, provider=claimed.channel.provider)

    def _call(self, claimed: Claimed) -> Outcome:
        begun, provider = self.monotonic(), claimed.channel.provider
        outcome = claimed.channel.send(claimed.outgoing)
        self.metrics.attempt_seconds.labels(provider).observe(self.monotonic() - begun)
        self.metrics.attempts.labels(provider, _name(outcome)).inc()
        return outcome

    def _watch(self, claimed: Claimed, outcome: Outcome) -> None:
        """Notice a channel that refuses everything or wants to be left alone, and say what a human must see to."""
        council, channel, provider = claimed.place
        if isinstance(outcome, Refused) and outcome.fault is Fault.CONFIGURATION:
            if self._gates.fault(claimed.place):
                self.metrics.channel_stopped.labels(council, channel, provider).set(1)
            _log.error("channel_stopped", council=council, channel=channel, provider=provider, reason=outcome.reason)
            return
        lets_in = isinstance(outcome, Accepted) or (isinstance(outcome, Refused) and outcome.fault is Fault.RECIPIENT)
        if lets_in and self._gates.works(claimed.place):
            self.metrics.channel_stopped.labels(council, channel, provider).set(0)
            _log.info("channel_works_again", council=council, channel=channel, provider=provider)
            with contextlib.suppress(*AWAY), self.database.write() as connection:   # else they wait as long as they would have
                outbox.hurry(connection, self.moment(), council, channel)
        if isinstance(outcome, Refused):
            if outcome.fault is Fault.UNKNOWN:
                _log.error("refused_for_unknown_reason", worker_ref=claimed.outgoing.recipient_ref, channel=channel,
                           provider=provider, reason=outcome.reason, notification_id=claimed.outgoing.id)
        elif not isinstance(outcome, Accepted):
            if isinstance(outcome, NotSent) and outcome.retry_after is not None:
                self._gates.leave_alone(claimed.place, outcome.retry_after)
            _log.warning("attempt_failed", notification_id=claimed.outgoing.id, provider=provider, state=_name(outcome),
                         reason=outcome.reason, attempt=claimed.row["attempts"])

    def look_for_uncertain(self) -> None:
        """Free what dead workers had claimed, and look at the provider for what may have been sent."""
        settings = self.settings
        with self.database.read() as connection:
            if not outbox.has_doubts(connection, self.moment()):
                return
        with self.database.write() as connection:
            for row in outbox.reap(connection, self.moment(), settings.notifier_uncertain_after):
                _log.warning("lease_expired", notification_id=row["id"])
            rows = outbox.to_look_for(connection, self.moment(), settings.notifier_look_again)
        for row in rows:
            self._look_for(row)

    def _look_for(self, row: RowMapping) -> None:
        try:
            channel = self._channel(row)
            seen = channel.find(_outgoing(row)) if channel is not None else []
        except LookUpFailedError as error:
            _log.warning("look_up_failed", notification_id=row["id"], provider=row["provider"], reason=str(error))
            return
        with self.database.write() as connection:
            taken = (outbox.evidence(connection, row["id"], row["provider"], each, self.moment()) for each in seen)
            if any(each is not Evidence.OTHER_ATTEMPT for each in taken):
                _log.info("uncertain_found", notification_id=row["id"], provider=row["provider"])
            elif outbox.not_found(connection, row, self.moment()):
                self.metrics.possible_duplicates.inc()
                _log.warning("possible_duplicate", notification_id=row["id"], provider=row["provider"])

    def ask_about_silent(self) -> None:
        """Ask the provider what became of messages of which nothing has been heard: callbacks can be lost."""
        with self.database.read() as connection:
            if not outbox.is_silent(connection, self.moment(), self.settings.notifier_poll_after):
                return
        with self.database.write() as connection:
            rows = outbox.to_ask_about(connection, self.moment(), self.settings.notifier_poll_after)
        for row in rows:
            try:
                channel = self._channel(row)
                seen = channel.ask(row["provider_id"]) if channel is not None else None
            except LookUpFailedError as error:
                _log.warning("look_up_failed", notification_id=row["id"], provider=row["provider"], reason=str(error))
                continue
            with self.database.write() as connection:
                if seen is not None and outbox.evidence(
                        connection, row["id"], row["provider"], seen, self.moment()) is Evidence.TAKEN:
                    _log.info("silent_found", notification_id=row["id"], provider=row["provider"], state=seen.state)

    def _channel(self, row: RowMapping) -> Channel | None:
        """The provider by which a message was sent; None if the council no longer has it: then nobody can be asked."""
        mine = self.channels.get((row["council"], row["channel"]), ())
        return next((channel for channel in mine if channel.provider == row["provider"]), None)


def _place(row: RowMapping, channel: Channel) -> Place:
    return row["council"], row["channel"], channel.provider


def _outgoing(row: RowMapping) -> Outgoing:
    return Outgoing(row["id"], row["council"], row["recipient_ref"], row["address"], row["template"], row["ref"], row["body"],
                    row["created_at"], row["channel"], row["subject"])


def _name(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Refused():
            return "refused"
        case NotSent():
            return "not_sent"
        case Uncertain():
            return "uncertain"
