"""Builds the gateway once, from its settings, and runs it until it is asked to stop."""
from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from keepintouch.councils import Councils, load_councils
from keepintouch.runtime.clock import Clock, clock_from_env
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, check_broker
from keepintouch.runtime.logs import configure, get_logger
from keepintouch.runtime.serving import serving
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import fail_stop, stop_on_signals
from keepintouch.runtime.topics import EVENTS
from keepintouch.sources import Labels
from keepintouch.staff import read_staff
from services.intake import erasing, ledger
from services.intake.app import Web, make_app
from services.intake.database import open_database
from services.intake.gate import Gate
from services.intake.kafka import KafkaWriter
from services.intake.keys import Caller, Keyring
from services.intake.letters import LetterReader
from services.intake.limits import Limits
from services.intake.metrics import Metrics
from services.intake.service import Intake
from services.intake.settings import IntakeSettings, check_safe
from services.intake.topic import made_anew, topic_id

KEYS_EVERY = 2.0
"""Seconds after which a key that was made or revoked is so here, too."""
_LOOK_EVERY = 10.0
_FORGET_EVERY = 3600.0
_STUCK_AFTER = 120.0
_GRACE = 20
"""Seconds that requests under way have when we are asked to stop: Kafka's patience, and some more."""

_log = get_logger(__name__)


@dataclass(slots=True)
class Keys:
    """The API keys as they were a moment ago, and who is let in without."""

    database: Database
    without: Caller | None
    """None: nobody. Only as long as there is no key at all."""
    ring: Keyring
    labels: Labels

    def refresh(self) -> None:
        """Read them anew."""
        with self.database.read() as connection:
            self.ring = Keyring.read(connection)

    def caller(self, key: str) -> Caller | None:
        """Whose key this is."""
        return self.without if not len(self.ring) and self.without is not None else self.ring.caller(key)


    def label(self, source: str) -> str:
        """What a source is called in metrics: as an operator named it, else so that it can name nobody."""
        return source if self.ring.names(source) else self.labels.of(source)


@dataclass(slots=True)
class Loops:
    """Threads that do one thing again and again until they are stopped; what nobody expected ends the process."""

    stopping: threading.Event
    _threads: list[threading.Thread] = field(default_factory=list)
    _last: dict[str, float] = field(default_factory=dict)

    def start(self, name: str, once: Callable[[], object], pause: float) -> None:
        """Call `once` every `pause` seconds. A database that is away is waited for."""
        self._last[name] = time.monotonic()

        def run() -> None:
            try:
                while not self.stopping.is_set():
                    try:
                        once()
                    except DBAPIError as error:
                        _log.warning("database_away", reason=type(error.orig).__name__)
                        self.stopping.wait(1)
                    self._last[name] = time.monotonic()
                    self.stopping.wait(pause)
            except BaseException as error:
                fail_stop(f"{name}_loop", error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait until all have ended after `stopping` was set."""
        for thread in self._threads:
            thread.join()

    def stuck(self) -> list[str]:
        """Loops that have not come round for long, as slugs."""
        now = time.monotonic()
        return [f"{name}_stuck" for name, last in self._last.items() if now - last > _STUCK_AFTER]


@dataclass(slots=True)
class Gateway:
    """The running service."""

    settings: IntakeSettings
    kafka: KafkaSettings
    councils: Councils
    clock: Clock
    database: Database
    stopping: threading.Event
    _looked_at: float = 0.0
    _forgot_at: float = 0.0

    def run(self) -> None:
        """Work until `stopping` is set, then stop in order: what is under way is answered."""
        settings, metrics = self.settings, Metrics()
        keys, loops = self._keys(), Loops(self.stopping)
        writer = KafkaWriter(self.kafka, settings.intake_kafka_timeout)
        self._same_topic()
        gate = Gate(writer, self.database, self.clock.now, metrics, keys.label)
        letters = LetterReader(self.kafka, self.database, self.councils.slugs, metrics, keys.label)
        intake = Intake(gate, writer, self.database, self.councils.slugs, settings.council_keys_dir, self.clock.now,
                        lambda: read_staff(self.kafka), metrics, settings.intake_kafka_timeout, settings.intake_keep)
        self._show_feeds(metrics)
        web = Web(intake, keys.caller, settings.intake_largest_body, Limits(settings.intake_events_per_minute),
                  lambda: ["kafka_away"] if gate.kafka_away.is_set() else [], loops.stuck)
        gate.start()
        with serving(make_app(web), settings.intake_http_host, settings.intake_http_port, setting="INTAKE_HTTP_PORT",
                     grace=_GRACE, proxy_headers=False, ssl_certfile=settings.intake_tls_certfile,
                     ssl_keyfile=settings.intake_tls_keyfile):
            loops.start("keys", keys.refresh, KEYS_EVERY)
            loops.start("letters", letters.run_once, 0.05)
            loops.start("look", lambda: self._look(gate), 1)
            loops.start("forget", self._forget, 1)
            self.stopping.wait()
            _log.info("stopping")
        gate.close()
        loops.join()
        letters.close()
        writer.close()

    def _keys(self) -> Keys:
        with self.database.read() as connection:
            ring = Keyring.read(connection)
        check_safe(self.settings, self.councils, len(ring))
        only = next(iter(self.councils.slugs)) if len(self.councils.slugs) == 1 else None
        return Keys(self.database, Caller("anybody", only, None) if self.settings.demo else None, ring,
                    Labels(self.councils.slugs))

    def _show_feeds(self, metrics: Metrics) -> None:
        with self.database.read() as connection:
            for council, feed, day in ledger.feeds(connection):
                metrics.feed_complete(council, feed, day)

    def _look(self, gate: Gate) -> None:
        """See whether Kafka is there: often while it is not, else now and then."""
        if not gate.kafka_away.is_set() and time.monotonic() - self._looked_at < _LOOK_EVERY:
            return
        try:
            check_broker(self.kafka, timeout=3)
            self._same_topic()
        except BrokerUnreachable:
            gate.kafka_away.set()
        else:
            gate.kafka_away.clear()
        self._looked_at = time.monotonic()

    def _same_topic(self) -> None:
        """Or everything would be answered as repeated that is on no topic any more."""
        found = topic_id(self.kafka)
        with self.database.write() as connection:
            if made_anew(connection, found):
                _log.warning("topic_made_anew", topic=EVENTS)

    def _forget(self) -> None:
        if time.monotonic() - self._forgot_at < _FORGET_EVERY and self._forgot_at:
            return
        with self.database.write() as connection:
            ledger.forget(connection, self.clock.now() - self.settings.intake_keep)
            erasing.forget(connection, self.clock.now())
        self._forgot_at = time.monotonic()


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for what the person who started it can put right."""
    configure("intake")
    try:
        stopping = stop_on_signals()
        settings, kafka, clock = load_settings(IntakeSettings), load_settings(KafkaSettings), clock_from_env()
        councils = load_councils(settings.councils_file)
        check_broker(kafka)
        with contextlib.closing(open_database(settings.intake_database_url)) as database:
            _log.info("started", port=settings.intake_http_port, clock=os.environ.get("KEEPINTOUCH_CLOCK"))
            Gateway(settings, kafka, councils, clock, database, stopping).run()
    except UserError as error:
        _log.error("cannot_start", exc_info=error)
        print(f"intake: {error}", file=sys.stderr)
        return 2
    _log.info("stopped")
    return 0
