"""Builds the monitor once and runs it: `python -m services.contact_monitor`."""
from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faust
from faust.types import TP

from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.http import StatusServer
from keepintouch.runtime.kafka import KafkaSettings, check_broker
from keepintouch.runtime.logs import configure, get_logger
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.stopping import fail_stop
from keepintouch.runtime.topics import EVENTS

from .faust_batches import BatchSchema, Handover, NoTables, batch_scheduler, batch_transport
from .kafka import Writer, check_topics
from .monitor import Monitor
from .restorer import Restorer
from .rulebook import Rulebook
from .settings import MonitorSettings

_RECORDS_A_FETCH = 2_000
_SLOWEST_RESTORE = 3600.0
"""Seconds without a fetch after which a worker loses its partitions. While it restores it fetches nothing; that it is alive at
all is seen by its heartbeats."""
_LOOK_AT_FAUST = 0.2
_COLLECT = (100_000, 50, 1_000)
"""When the garbage collector looks: hardly anything here is in a cycle, and it would look through everybody again and again."""
_USER_ERROR_STATUS = 2

log = get_logger(__name__)


def main() -> None:
    """Run until SIGTERM; a mistake in the settings is one line and exit status 2."""
    configure("contact_monitor")
    try:
        run(load_settings(MonitorSettings), load_settings(KafkaSettings))
    except UserError as error:
        _say(error)
        sys.exit(_USER_ERROR_STATUS)
    log.info("stopped")


def _say(error: UserError) -> None:
    log.error("cannot_run", exc_info=error)
    print(f"contact_monitor: {error}", file=sys.stderr, flush=True)


def run(settings: MonitorSettings, kafka: KafkaSettings) -> None:
    """Build everything and work until a signal. Raises UserError for what can be put right; ends the process for the rest."""
    rulebook = Rulebook.read(settings.councils_file, settings.policies_dir)
    clock = clock_from_env()
    check_broker(kafka)
    layout = check_topics(kafka, settings.app_id)
    handover = Handover()
    with TemporaryDirectory(prefix="contact-monitor-") as folder:
        app = _faust_app(settings, kafka, folder, handover)
        writer = Writer(kafka, settings.app_id, layout)
        monitor = Monitor(rulebook, clock, Restorer(kafka, settings.app_id, layout), writer, handover, layout.events,
                          settings.settle_seconds)
        _wire(app, monitor, writer)
        with StatusServer(settings.http_port, not_ready=monitor.not_ready, unwell=monitor.unwell, host=settings.http_host,
                          setting="CONTACT_MONITOR_HTTP_PORT") as status:
            log.info("started", app_id=settings.app_id, port=status.port, partitions=layout.events,
                     clock=os.environ.get("KEEPINTOUCH_CLOCK"))
            _work(app)


def _work(app: faust.App) -> None:
    """Run Faust until a signal; anything else that ends it is unexpected."""
    _quieten()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    with Path(os.devnull).open("w") as nowhere:  # what it prints of a crash could hold what no log of ours may
        worker = faust.Worker(app, loglevel="WARN", redirect_stdouts=False, override_logging=False, quiet=True, stderr=nowhere)
        worker.spinner = None  # it would write to the terminal whatever is said of being quiet
        try:
            worker.execute_from_commandline()
        except SystemExit as end:
            if end.code:
                fail_stop("faust_ended", worker.crash_reason)


def _quieten() -> None:
    """Leave out what libraries say at every start and rebalance, at a level above its worth."""
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # that a timer was a little late
    logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(is_news)
    logging.getLogger("aiokafka.consumer.fetcher").addFilter(stop_if_fetching_has_ended)


def stop_if_fetching_has_ended(record: logging.LogRecord) -> bool:
    """Its consumer would keep its partitions, look alive, and never fetch again: aiokafka says so, and tells nobody else."""
    if str(record.msg).startswith("Unexpected error in fetcher routine"):
        fail_stop("fetching_has_ended", record.exc_info[1] if record.exc_info else None)
    return True


def is_news(record: logging.LogRecord) -> bool:
    """Not that the brokers are still making up their minds who coordinates, or that others join."""
    if str(record.msg).startswith("Group Coordinator Request failed") and isinstance(record.args, tuple) and record.args:
        return not getattr(record.args[0], "retriable", False)
    return "because it is rebalancing" not in str(record.msg)


def _faust_app(settings: MonitorSettings, kafka: KafkaSettings, folder: str, handover: Handover) -> faust.App:
    """Faust for group membership, fetching, flow control and committing; state and alerts are written by ourselves."""
    app = faust.App(
        settings.app_id, **kafka.faust_config(), datadir=folder, store="memory://", web_enabled=False,
        topic_allow_declare=False, topic_disable_leader=True, stream_buffer_maxsize=16, stream_wait_empty=True,
        broker_max_poll_records=_RECORDS_A_FETCH, broker_max_poll_interval=_SLOWEST_RESTORE, broker_commit_interval=0.5,
        broker_rebalance_timeout=30.0, consumer_max_fetch_size=4 * 1024 * 1024, worker_redirect_stdouts=False,
        ConsumerScheduler=batch_scheduler(handover), TableManager=NoTables)
    app.transport = batch_transport(handover)(app.conf.broker_consumer, app)
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
        await _or_stop(monitor.assign({tp.partition for tp in partitions if tp.topic == EVENTS}, _or_stop))

    async def stopping(*_: Any, **__: Any) -> None:
        """Sent when the agent has finished what it had, and before the last offsets are committed."""
        await _or_stop(monitor.stop())

    async def write() -> None:
        try:
            await _or_stop(monitor.run())
        finally:
            await writer.stop()

    async def watch() -> None:
        while not app.should_stop:
            await asyncio.sleep(_LOOK_AT_FAUST)
            monitor.note_ends(lambda partition: app.consumer.highwater(TP(EVENTS, partition)))
        if app.crashed:
            fail_stop("faust_crashed", app.crash_reason)
        monitor.stop_folding()

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_before_shutdown.connect(stopping, weak=False)
    app.task(write)
    app.task(watch)


async def _or_stop(work: Awaitable[None]) -> None:
    """An exception that left an agent would be logged and its batch acknowledged; so none ever leaves."""
    try:
        await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            fail_stop("cancelled_from_within", error)  # a library gave up something of its own; we would wait for ever
        raise
    except UserError as error:
        _say(error)
        os._exit(_USER_ERROR_STATUS)
    except BaseException as error:
        fail_stop("unexpected_error", error)
