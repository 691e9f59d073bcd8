"""Builds the monitor once and runs it: `python -m services.contact_monitor`."""
from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import faust
from faust.types import TP

from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.http import StatusServer
from keepintouch.runtime.kafka import KafkaSettings, check_broker
from keepintouch.runtime.logs import configure
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import fail_stop

from .faust_batches import BatchScheduler, BatchSchema, Offsets, batch_transport
from .kafka import EVENTS, Restorer, Writer
from .monitor import Monitor
from .rulebook import Rulebook
from .settings import MonitorSettings

_RECORDS_A_FETCH = 2_000


def main() -> None:
    """Run until SIGTERM; a mistake in the settings is one line and exit status 2."""
    configure("contact_monitor")
    try:
        _run(load_settings(MonitorSettings), load_settings(KafkaSettings))
    except UserError as error:
        print(f"contact_monitor: {error}", file=sys.stderr)
        sys.exit(2)


def _run(settings: MonitorSettings, kafka: KafkaSettings) -> NoReturn:
    rulebook = Rulebook.read(settings.councils_file, settings.policies_dir)
    clock = clock_from_env()
    check_broker(kafka)
    durable: Offsets = {}
    with TemporaryDirectory(prefix="contact-monitor-") as folder:
        app = _faust_app(settings, kafka, folder, durable)
        writer = Writer(kafka, settings.app_id)
        monitor = Monitor(rulebook, clock, Restorer(kafka, settings.app_id), writer, durable, settings.settle_seconds)
        _wire(app, monitor, writer)
        with StatusServer(settings.http_port, not_ready=monitor.not_ready, setting="CONTACT_MONITOR_HTTP_PORT"):
            worker = faust.Worker(app, loglevel="WARN", redirect_stdouts=False, override_logging=False, quiet=True)
            worker.spinner = None  # it would write to the terminal whatever is said of being quiet
            worker.execute_from_commandline()
    sys.exit(0)


def _faust_app(settings: MonitorSettings, kafka: KafkaSettings, folder: str, durable: Offsets) -> faust.App:
    """Faust for group membership, fetching, flow control and committing; state and alerts are written by ourselves."""
    app = faust.App(
        settings.app_id, **kafka.faust_config(), datadir=folder, store="memory://", web_enabled=False,
        topic_allow_declare=False, topic_disable_leader=True, stream_buffer_maxsize=16, stream_wait_empty=True,
        broker_max_poll_records=_RECORDS_A_FETCH, broker_commit_interval=0.5, broker_rebalance_timeout=30.0,
        consumer_max_fetch_size=4 * 1024 * 1024, worker_redirect_stdouts=False, ConsumerScheduler=BatchScheduler)
    app.transport = batch_transport(durable)(app.conf.broker_consumer, app)
    return app


def _wire(app: faust.App, monitor: Monitor, writer: Writer) -> None:
    """Connect Faust's events with the monitor; an error nobody foresaw in any of them stops the process."""
    events = app.topic(EVENTS, schema=BatchSchema())

    @app.agent(events)
    async def fold(stream: Any) -> None:
        async for event in stream.events():
            await _or_stop(monitor.fold(event.message.partition, event.value))

    async def revoked(*_: Any, **__: Any) -> None:
        await _or_stop(monitor.revoke())

    async def assigned(*given: Any, **__: Any) -> None:
        partitions: set[TP] = given[1]
        monitor.assign({tp.partition for tp in partitions if tp.topic == EVENTS}, _or_stop)

    async def write() -> None:
        await _or_stop(writer.start())
        try:
            await _or_stop(monitor.run())
        finally:
            await writer.stop()

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_partitions_assigned.connect(assigned, weak=False)
    app.task(write)


async def _or_stop(work: Awaitable[None]) -> None:
    """An exception that left an agent would be logged and its batch acknowledged; so none ever leaves."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        fail_stop("unexpected_error", error)
