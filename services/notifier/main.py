"""Builds the notifier once, from its settings, and runs it until it is asked to stop."""
from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from keepintouch.councils import Councils, load_councils
from keepintouch.runtime.clock import Clock, clock_from_env
from keepintouch.runtime.database import Database
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker
from keepintouch.runtime.logs import configure, get_logger
from keepintouch.runtime.serving import serving
from keepintouch.runtime.settings import Secrets, load_settings
from keepintouch.runtime.stopping import stop_on_signals
from services.notifier import outbox, providers, renewal
from services.notifier.app import make_app
from services.notifier.audit import Auditor
from services.notifier.callbacks import Callbacks
from services.notifier.database import only_instance, open_database
from services.notifier.delivery import Delivery
from services.notifier.directory import Directory
from services.notifier.forgetting import Forgetting
from services.notifier.kafka import AlertReader, DeadLetters, Publisher, StaffReader, check_topics, make_producer
from services.notifier.last_known import LastKnown
from services.notifier.loops import Loops
from services.notifier.metrics import UNSETTLED, Metrics
from services.notifier.outbox import Moment
from services.notifier.planner import Planner
from services.notifier.proofs import NotifyTokens, TwilioSignatures
from services.notifier.providers import Providers
from services.notifier.settings import Environment, NotifierSettings, check_safe
from services.notifier.tables import message, publication, unreachable

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is read at start."""

    settings: NotifierSettings
    kafka: KafkaSettings
    councils: Councils
    clock: Clock
    providers: Providers


def configuration(environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read and check all settings. Raises UserError."""
    settings, kafka, clock = load_settings(NotifierSettings), load_settings(KafkaSettings), clock_from_env(environ)
    councils = load_councils(Path(settings.councils_file))
    check_safe(settings, councils)
    return Configuration(settings, kafka, councils, clock, providers.build(settings, councils, Environment(environ)))


@dataclass(slots=True)
class Notifier:
    """The running service."""

    configuration: Configuration
    database: Database
    stopping: threading.Event
    _began: tuple[datetime, float] = field(default_factory=lambda: (datetime.now(UTC), time.monotonic()))

    def run(self) -> None:
        """Work until `stopping` is set, then stop in order."""
        config, metrics, directory = self.configuration, Metrics(), Directory()
        settings, councils = config.settings, config.councils
        loops, producer = Loops(self.stopping, metrics), make_producer(config.kafka)
        planner = Planner(self.database, directory, councils, self._moment, settings.notifier_gather, settings.may_get, metrics,
                          hourly_cap=settings.notifier_hourly_cap)
        delivery = Delivery(self.database, config.providers.channels, councils, config.clock, self._moment, settings, metrics)
        publisher = Publisher(producer, self.database, metrics)
        letters = DeadLetters(producer, metrics, self.stopping)
        staff = StaffReader(config.kafka, directory, councils, letters, config.clock.now, planner.staff_changed, metrics,
                            LastKnown(self.database, directory, config.clock.now))
        alerts = AlertReader(config.kafka, self.database, directory, councils, letters, self._moment, metrics)
        metrics.add_outbox(self._states, self._oldest, lambda: self._count(publication), lambda: self._count(unreachable))

        def not_ready() -> list[str]:
            waited_for = {"staff_not_read": staff.read, "no_partitions": alerts.assigned, "alerts_not_read": alerts.caught_up}
            return [reason for reason, event in waited_for.items() if not event.is_set()]

        signatures = TwilioSignatures(settings.public_base_url, config.providers.twilio_tokens)
        callbacks = Callbacks(self.database, signatures, self._moment, directory.is_manager, settings.may_get,
                              staff.read.is_set, metrics, lambda: [*not_ready(), *loops.waiting()], loops.stuck,
                              NotifyTokens(config.providers.notify_tokens), config.providers.notify)
        with serving(make_app(callbacks), settings.notifier_http_host, settings.notifier_http_port, setting="NOTIFIER_HTTP_PORT"):
            loops.start("staff", staff.run_once, pause=0)
            # Whether an action was a manager's can only be told once staff are known.
            loops.start("alerts", alerts.run_once, pause=0.02, when=staff.read.is_set)
            loops.start("release", planner.run_once, pause=0.05, when=lambda: not not_ready())
            loops.start("send", delivery.send_all, pause=0.05)
            loops.start("look_for", delivery.look_for_uncertain, pause=0.2)
            loops.start("ask", delivery.ask_about_silent, pause=1)
            loops.start("publish", publisher.run_once, pause=0.05)
            loops.start("forget", Forgetting(self.database, self._moment, settings.notifier_keep).run_once, pause=60)
            loops.start("credentials", self._renewal(delivery).run_once, pause=renewal.PAUSE)
            loops.start("audit", Auditor(planner.office, planner.appeals).run_once, pause=60, when=lambda: not not_ready())
            self.stopping.wait()
            _log.info("stopping")
            loops.join()
            delivery.close()
            publisher.finish(within=3)   # what the last calls led to
            publisher.close()
        alerts.close()
        staff.close()
        producer.close(timeout=5)

    def _renewal(self, delivery: Delivery) -> renewal.Renewal:
        config = self.configuration
        return renewal.Renewal(Secrets(), config.providers,
                       lambda: providers.build(config.settings, config.councils, Environment()), delivery.credentials_changed)

    def _moment(self) -> Moment:
        # Real time as it went on from the start: leases and waits do not follow a wall clock that is put right meanwhile.
        real, began = self._began
        return Moment(self.configuration.clock.now(), real + timedelta(seconds=time.monotonic() - began))

    def _states(self) -> dict[str, int]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(message.c.state, sa.func.count()).group_by(message.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def _oldest(self) -> dict[str, float]:
        with self.database.read() as connection:
            made = outbox.oldest(connection, UNSETTLED)
        now = self._moment().now
        return {state: max(0.0, (now - at).total_seconds()) for state, at in made.items()}

    def _count(self, table: sa.Table) -> int:
        with self.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for what the person who started it can put right."""
    configure("notifier")
    try:
        stopping = stop_on_signals()
        config = configuration()
        check_broker(config.kafka)
        check_topics(config.kafka)
        url = config.settings.notifier_database_url
        with only_instance(url), contextlib.closing(open_database(url)) as database:
            _log.info("started", port=config.settings.notifier_http_port, mode="trial" if config.settings.notifier_trial == "on"
                      else "live", clock=os.environ.get("KEEPINTOUCH_CLOCK"))
            Notifier(config, database, stopping).run()
    except UserError as error:
        _log.error("cannot_start", exc_info=error)
        print(f"notifier: {error}", file=sys.stderr)
        return 2
    _log.info("stopped")
    return 0
