"""Hands messages to providers: claims one, gives it its words, calls, and writes down what came of it; and finds out what
became of those of which that is not known.

Waits here are real time: providers do not follow the service's clock.
"""
from __future__ import annotations

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
from keepintouch.runtime.logs import get_logger
from services.notifier import outbox
from services.notifier.channels import Accepted, Channel, Fault, LookUpFailedError, NotSent, Outcome, Outgoing, Refused, Uncertain
from services.notifier.database import Database
from services.notifier.ladder import next_open
from services.notifier.metrics import Metrics
from services.notifier.outbox import Evidence, Moment
from services.notifier.settings import LEASE_MARGIN, NotifierSettings
from services.notifier.texts import compose
from services.notifier.wording import wording

WORKERS = 8
"""Calls of providers at once."""

Channels = Mapping[tuple[str, str], Sequence[Channel]]
"""By council and channel (sms, email): the providers, in order of preference."""

_STOPPED_FOR = timedelta(minutes=1)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, until `monotonic` time `until`."""

    row: RowMapping
    channel: Channel
    outgoing: Outgoing
    until: float


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
    _stopped: dict[tuple[str, str], float] = field(default_factory=dict)
    _failed: BaseException | None = None

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
            said = wording(connection, row, moment.now)
            if said is None:
                outbox.drop(connection, row, "ended", moment)
                return True
            if not said.may_go(moment.now):
                if row["possible_duplicate"]:
                    opens = next_open(moment.now, said.calendar) - moment.now
                    wait = timedelta(seconds=self.clock.real_seconds(opens))
                    outbox.postpone(connection, row, moment.real + wait, moment)
                else:
                    outbox.take_back(connection, row, "outside_hours", moment)
                return True
            providers = self.channels.get((row["council"], row["channel"]), ())
            if not providers:   # the council or its channel has left the councils file
                outbox.postpone(connection, row, moment.real + _STOPPED_FOR, moment)
                return True
            channel = providers[row["provider_turn"] % len(providers)]
            sign_in = self.councils.councils[row["council"]].sign_in
            # What may have been received already is sent again word for word.
            body = row["body"] if row["possible_duplicate"] else compose(said.template, said.counts, row["ref"], sign_in)
            row = outbox.begin(connection, row, template=str(said.template), body=body, provider=channel.provider, moment=moment)
        return Claimed(row, channel, _outgoing(row), until)

    def _send(self, claimed: Claimed) -> None:
        outcome = self._call(claimed)
        with self.database.write() as connection:
            kept = outbox.record(connection, claimed.row, outcome, self.moment(), self.settings.notifier_uncertain_after)
        if not kept:
            self.metrics.stale_claims.inc()
            _log.warning("stale_claim", notification_id=claimed.outgoing.id, provider=claimed.channel.provider)
        self._watch(claimed, outcome)

    def _call(self, claimed: Claimed) -> Outcome:
        spare = self.settings.notifier_http_timeout + LEASE_MARGIN
        if claimed.until - self.monotonic() < spare.total_seconds():
            return NotSent("lease_too_short")
        stopped = self._stopped.get((claimed.outgoing.council, claimed.channel.provider), 0.0) - self.monotonic()
        if stopped > 0:
            return NotSent("channel_stopped", timedelta(seconds=stopped))
        begun = self.monotonic()
        outcome = claimed.channel.send(claimed.outgoing)
        provider = claimed.channel.provider
        self.metrics.attempt_seconds.labels(provider).observe(self.monotonic() - begun)
        self.metrics.attempts.labels(provider, _name(outcome)).inc()
        return outcome

    def _watch(self, claimed: Claimed, outcome: Outcome) -> None:
        """Notice a channel that refuses everything, and say what a human must see to."""
        place = claimed.outgoing.council, claimed.channel.provider
        if isinstance(outcome, Refused) and outcome.fault is Fault.CONFIGURATION:
            self._stopped[place] = self.monotonic() + _STOPPED_FOR.total_seconds()
            self.metrics.channel_stopped.labels(*place).set(1)
            _log.error("channel_stopped", council=place[0], provider=place[1], reason=outcome.reason)
        elif isinstance(outcome, Refused):
            event = "recipient_unreachable" if outcome.fault is Fault.RECIPIENT else "refused_for_unknown_reason"
            _log.error(event, worker_ref=claimed.outgoing.recipient_ref, provider=place[1], reason=outcome.reason,
                       notification_id=claimed.outgoing.id)
        elif isinstance(outcome, Accepted):
            if self._stopped.pop(place, None) is not None:
                self.metrics.channel_stopped.labels(*place).set(0)
        else:
            _log.warning("attempt_failed", notification_id=claimed.outgoing.id, provider=place[1], state=_name(outcome),
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
            seen = self._channel(row).find(_outgoing(row))
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
                seen = self._channel(row).ask(row["provider_id"])
            except LookUpFailedError as error:
                _log.warning("look_up_failed", notification_id=row["id"], provider=row["provider"], reason=str(error))
                continue
            with self.database.write() as connection:
                if seen is not None and outbox.evidence(
                        connection, row["id"], row["provider"], seen, self.moment()) is Evidence.TAKEN:
                    _log.info("silent_found", notification_id=row["id"], provider=row["provider"], state=seen.state)

    def _channel(self, row: RowMapping) -> Channel:
        """The provider by which a message was sent. Raises LookUpFailedError if the council no longer has it."""
        for channel in self.channels.get((row["council"], row["channel"]), ()):
            if channel.provider == row["provider"]:
                return channel
        raise LookUpFailedError("provider_not_configured")


def _outgoing(row: RowMapping) -> Outgoing:
    return Outgoing(row["id"], row["council"], row["recipient_ref"], row["address"], row["template"], row["ref"], row["body"],
                    row["created_at"])


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
