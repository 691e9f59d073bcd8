"""Builds the notifier once, from its settings, and runs it until it is asked to stop."""
from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import uvicorn

from keepintouch.councils import Councils, load_councils
from keepintouch.runtime.clock import Clock, clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker
from keepintouch.runtime.logs import configure, get_logger
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import stop_on_signals
from services.notifier.callbacks import Callbacks, TwilioSignatures, make_app
from services.notifier.channels import Channel
from services.notifier.channels.console import ConsoleChannel
from services.notifier.channels.twilio import TwilioAccount, TwilioChannel
from services.notifier.database import Database, open_database
from services.notifier.delivery import Channels, Delivery
from services.notifier.directory import Directory
from services.notifier.kafka import AlertReader, DeadLetters, Publisher, StaffReader, check_topics, make_producer
from services.notifier.loops import Loops
from services.notifier.metrics import Metrics
from services.notifier.outbox import Moment
from services.notifier.planner import Planner
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
    channels: Channels
    signatures: TwilioSignatures


def configuration(environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read and check all settings. Raises UserError."""
    settings, kafka, clock = load_settings(NotifierSettings), load_settings(KafkaSettings), clock_from_env(environ)
    councils = load_councils(Path(settings.councils_file))
    check_safe(settings, councils)
    environment = Environment(environ)
    accounts = {slug: TwilioAccount.of(environment, slug) for slug, council in councils.councils.items()
                if "twilio" in council.channels.providers}
    tokens = {slug: [account.auth_token] for slug, account in accounts.items() if account.auth_token is not None}
    return Configuration(settings, kafka, councils, clock, _channels(settings, councils, accounts),
                         TwilioSignatures(settings.public_base_url, tokens))


def _channels(settings: NotifierSettings, councils: Councils, accounts: Mapping[str, TwilioAccount]) -> Channels:
    console = ConsoleChannel(settings.notifier_console_file) if any(
        "console" in council.channels.providers for council in councils.councils.values()) else None
    found: dict[tuple[str, str], Sequence[Channel]] = {}
    for slug, council in councils.councils.items():
        mine: list[Channel] = []
        for provider in council.channels.sms:
            if provider == "twilio":
                account = accounts[slug]
                # Without the token callbacks could not be told from forged ones.
                base = settings.public_base_url if account.auth_token is not None else None
                mine.append(TwilioChannel(account, settings.notifier_http_timeout, base, settings.twilio_base_url))
            elif provider == "console" and console is not None:
                mine.append(console)
            else:
                raise UserError(f"{settings.councils_file}: council {slug}: channels.sms: {provider} is not supported yet")
        if council.channels.email:
            raise UserError(f"{settings.councils_file}: council {slug}: channels.email: e-mail is not supported yet")
        if not mine:
            raise UserError(f"{settings.councils_file}: council {slug}: channels.sms: name at least one provider")
        found[slug, "sms"] = mine
    return found


@dataclass(slots=True)
class Notifier:
    """The running service."""

    configuration: Configuration
    database: Database
    stopping: threading.Event

    def run(self) -> None:
        """Work until `stopping` is set, then stop in order."""
        config, metrics, directory = self.configuration, Metrics(), Directory()
        settings, councils = config.settings, config.councils
        loops, producer = Loops(self.stopping, metrics), make_producer(config.kafka)
        planner = Planner(self.database, directory, councils, self._moment, settings.notifier_gather, settings.may_get, metrics)
        delivery = Delivery(self.database, config.channels, councils, config.clock, self._moment, settings, metrics)
        publisher = Publisher(producer, self.database, metrics)
        letters = DeadLetters(producer, metrics, self.stopping)
        staff = StaffReader(config.kafka, directory, councils, letters, config.clock.now, planner.staff_changed, metrics)
        alerts = AlertReader(config.kafka, self.database, directory, councils, letters, config.clock.now,
                             planner.backfill_came, metrics)
        metrics.add_outbox(self._states, lambda: self._count(publication), lambda: self._count(unreachable))
        planner.backfill_came(councils.slugs)   # what an earlier run had not summarised yet

        def not_ready() -> list[str]:
            waited_for = {"staff_not_read": staff.read, "no_partitions": alerts.assigned, "alerts_not_read": alerts.caught_up}
            return [reason for reason, event in waited_for.items() if not event.is_set()]

        callbacks = Callbacks(self.database, config.signatures, self._moment, directory.is_manager, settings.may_get,
                              staff.read.is_set, metrics, not_ready, loops.stuck)
        with _serving(callbacks, settings):
            loops.start("staff", staff.run_once, pause=0)
            # Whether an action was a manager's can only be told once staff are known.
            loops.start("alerts", alerts.run_once, pause=0.02, when=staff.read.is_set)
            loops.start("release", planner.run_once, pause=0.05, when=lambda: not not_ready())
            loops.start("send", delivery.send_all, pause=0.05)
            loops.start("look_for", delivery.look_for_uncertain, pause=0.2)
            loops.start("ask", delivery.ask_about_silent, pause=1)
            loops.start("publish", publisher.run_once, pause=0.05)
            self.stopping.wait()
            _log.info("stopping")
            loops.join()
            delivery.close()
            publisher.finish(within=3)   # what the last calls led to
        alerts.close()
        staff.close()
        producer.close(timeout=5)

    def _moment(self) -> Moment:
        return Moment(self.configuration.clock.now(), datetime.now(UTC))

    def _states(self) -> dict[str, int]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(message.c.state, sa.func.count()).group_by(message.c.state)).all()
        return {row[0]: row[1] for row in rows}

    def _count(self, table: sa.Table) -> int:
        with self.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


@contextlib.contextmanager
def _serving(callbacks: Callbacks, settings: NotifierSettings) -> Iterator[None]:
    """Answer HTTP from a thread."""
    host, port = settings.notifier_http_host, settings.notifier_http_port
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): end what uses the port, or set "
                        "NOTIFIER_HTTP_PORT to a free one") from None
    server = uvicorn.Server(uvicorn.Config(make_app(callbacks), log_config=None, access_log=False, server_header=False,
                                           timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for what the person who started it can put right."""
    configure("notifier")
    try:
        stopping = stop_on_signals()
        config = configuration()
        check_broker(config.kafka)
        check_topics(config.kafka)
        database = open_database(config.settings.notifier_database_url)
        with contextlib.closing(database):
            _log.info("started", port=config.settings.notifier_http_port, mode="trial" if config.settings.notifier_trial == "on"
                      else "live", clock=os.environ.get("KEEPINTOUCH_CLOCK"))
            Notifier(config, database, stopping).run()
    except UserError as error:
        _log.error("cannot_start", exc_info=error)
        print(f"notifier: {error}", file=sys.stderr)
        return 2
    _log.info("stopped")
    return 0
