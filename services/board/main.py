"""Builds the board once, from its settings, and runs it until it is asked to stop."""
from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keepintouch.councils import Councils, load_councils
from keepintouch.rulebook import CouncilRules, read_rules
from keepintouch.runtime.clock import Clock, clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings, check_broker
from keepintouch.runtime.logs import configure, get_logger
from keepintouch.runtime.serving import serving
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import fail_stop, stop_on_signals
from keepintouch.standards.stored import StoredFormError
from services.board.actions import ActionDesk
from services.board.app import make_app
from services.board.assets import icon, stylesheet
from services.board.figures import Figures
from services.board.kafka import KafkaPublisher, Reader, check_topics
from services.board.metrics import Metrics
from services.board.model.model import Model
from services.board.publishing import Trail
from services.board.sessions import Sessions
from services.board.settings import BoardSettings, assets_dir, check_safe, public_url
from services.board.web import Board
from services.board.who import WhoIsWho

_COLLECT = (20_000, 20, 100)
"""When the garbage collector looks: what the board holds is hardly ever in a cycle, and it would look through everybody again and
again while they are read, and in the middle of a page."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is read at start."""

    settings: BoardSettings
    kafka: KafkaSettings
    councils: Councils
    rules: Mapping[str, CouncilRules]
    clock: Clock
    own_url: str
    style: bytes


def configuration(environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read and check all settings. Raises UserError."""
    settings, kafka, clock = load_settings(BoardSettings), load_settings(KafkaSettings), clock_from_env(environ)
    councils = load_councils(Path(settings.councils_file))
    check_safe(settings, councils)
    return Configuration(settings, kafka, councils, read_rules(councils, settings.policies_dir, settings.councils_file), clock,
                         public_url(settings, councils), stylesheet(assets_dir(settings)))


@dataclass(slots=True)
class Service:
    """The running service."""

    configuration: Configuration
    stopping: threading.Event
    newer_state: str = ""
    """What could not be read of the monitor's state: the board stops, and says so."""

    def run(self) -> None:
        """Work until `stopping` is set, then stop in order."""
        config, metrics = self.configuration, Metrics()
        figures = Figures(metrics, config.clock.now())
        model = Model(config.councils, config.rules, config.clock.now, figures.alert_changed)
        reader = Reader(config.kafka, config.settings.contact_monitor_app_id, model, config.clock.now, self.stopping)
        publisher = KafkaPublisher(config.kafka)
        trail = Trail(publisher, config.clock.now)

        def away_since() -> datetime | None:
            return reader.fresh_at if reader.loaded.is_set() and reader.away else None

        board = Board(
            config.councils, model, ActionDesk(model, publisher, metrics.actions), trail, Sessions(),
            WhoIsWho(config.councils.councils, config.settings.council_keys_dir, time.monotonic), config.own_url,
            config.settings.made_up_sign_in, away_since, lambda: [] if reader.loaded.is_set() else ["not_loaded"], list)
        metrics.add_live((
            ("board_people_known", "People of whom a snapshot is held", lambda: float(len(model.people))),
            ("board_unreadable_records", "Records that could not be read and were passed over", lambda: float(model.unreadable)),
            ("board_kafka_away", "1 while Kafka has not been heard for a while", lambda: float(reader.away)),
            ("board_audit_waiting", "Entries of the audit that Kafka has not acknowledged yet", lambda: float(trail.waiting))))
        app = make_app(board, config.settings, config.style, icon(), metrics.registry)
        threads = [self._thread("reader", reader.run), self._thread("audit", lambda: trail.run(self.stopping)),
                   self._thread("figures", lambda: self._figures(figures, model, reader))]
        with serving(app, config.settings.board_http_host, config.settings.board_http_port, setting="BOARD_HTTP_PORT",
                     forwarded_allow_ips=config.settings.forwarded_allow_ips):
            for thread in threads:
                thread.start()
            self.stopping.wait()
            _log.info("stopping")
        for thread in threads:
            thread.join(timeout=10)
        publisher.close()
        if self.newer_state:
            raise UserError(self.newer_state)

    def _figures(self, figures: Figures, model: Model, reader: Reader) -> None:
        while not reader.loaded.wait(0.2) and not self.stopping.is_set():
            pass
        gc.freeze()   # everybody is here to stay
        figures.run(model, self.stopping, self.configuration.settings.board_figures_every.total_seconds())

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except StoredFormError as error:
                self.newer_state = f"the monitor's state cannot be read: {error}; use the monitor's version of the board"
                self.stopping.set()
            except BaseException as error:
                fail_stop("unexpected_error", error)

        return threading.Thread(target=run, name=name, daemon=True)


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 for what the person who started it can put right."""
    configure("board")
    try:
        stopping = stop_on_signals()
        config = configuration()
        check_broker(config.kafka)
        check_topics(config.kafka, config.settings.contact_monitor_app_id)
        _log.info("started", port=config.settings.board_http_port, clock=os.environ.get("KEEPINTOUCH_CLOCK"))
        gc.set_threshold(*_COLLECT)
        Service(config, stopping).run()
    except UserError as error:
        _log.error("cannot_start", exc_info=error)
        print(f"board: {error}", file=sys.stderr)
        return 2
    _log.info("stopped")
    return 0
