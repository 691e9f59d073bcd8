"""Logs: one JSON object a line, and never anything that says who a young person is.

Three fences: an event's name must be a slug, so that nobody formats values into it; only the keys listed in KEYS pass;
of exceptions and of other libraries' messages nothing passes but the type and the place, because their texts may hold
keys and values of records, numbers and addresses.
"""

import contextlib
import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TextIO

import orjson
import structlog

from keepintouch.runtime.errors import UserError

KEYS: Mapping[str, str] = MappingProxyType({
    # Add a key here first, with what it says. Never a name, number, address, text, or a young person's reference.
    "action": "what was done about an alert",
    "alert_id": "id of an alert",
    "app_id": "consumer group and changelog prefix",
    "attempt": "how often this was tried",
    "bootstrap": "address of Kafka",
    "channel": "sms, email, …",
    "clock": "the clock in use, if not the real one",
    "code": "a provider's error code",
    "council": "slug of a council",
    "count": "how many",
    "feed": "slug of a feed",
    "file": "a file of ours",
    "field": "name of a field in a schema",
    "id": "a technical id (never a person's)",
    "kind": "type of a message",
    "ladder": "name of a ladder",
    "mode": "live, backfill, trial",
    "notification_id": "id of a message to staff",
    "offset": "offset in a partition",
    "partition": "number of a partition",
    "partitions": "numbers of partitions, or how many",
    "pid": "process id",
    "policy": "id of a policy",
    "port": "a TCP port",
    "provider": "who carries messages to phones",
    "provider_id": "the provider's id of a message",
    "reason": "a slug that says why",
    "rule": "name of a rule",
    "seconds": "how long it took",
    "setting": "name of an environment variable",
    "signal": "name of a signal",
    "standard": "id of a standard",
    "state": "state of a message to staff, or of a service",
    "status": "an HTTP status or an alert's status",
    "step": "step of a ladder",
    "topic": "name of a topic",
    "version": "version of a policy or of the program",
    "worker_ref": "pseudonym of a member of staff",
})

_OURS = ("keepintouch", "schemas", "services")
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LOGGER = re.compile(r"[A-Za-z_][\w.]{0,79}")
_AGAIN_AFTER, _MOST_REMEMBERED = 10.0, 1_000
_LIMIT = 200   # characters of a value

EventDict = MutableMapping[str, Any]


def configure(service: str, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send all logs of this process to `stream` (default: standard output), each line marked with `service`.

    Uncaught exceptions of any thread become lines too. Give uvicorn ``log_config=None`` and Faust a worker that does
    not set up logging, or they put their own handlers in.
    """
    _fenced(service, stream or sys.stdout, level)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(_Scrubbed())
    root.setLevel(logging.WARNING)
    # It writes the query of each request, numbers included, at INFO.
    logging.getLogger("twilio.http_client").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda hook: _uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module: ``get_logger(__name__).info("batch_read", topic=…, count=…)``.

    An event is named by a slug; keys that are not in KEYS are left out, and their names are given in `dropped`.
    """
    return structlog.get_logger(logger_name=name)  # type: ignore[no-any-return]


def _fenced(service: str, stream: TextIO | None, level: int) -> None:
    def render(_logger: object, method: str, event: EventDict) -> str:
        return orjson.dumps(_fence(service, method, event)).decode()

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr), cache_logger_on_first_use=False)


def _fence(service: str, level: str, event: EventDict) -> dict[str, Any]:
    name = str(event.pop("event", ""))
    line: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "service": service,
        "event": name if _SLUG.fullmatch(name) else "event_without_slug"}
    logger = str(event.pop("logger_name", ""))
    if _LOGGER.fullmatch(logger):
        line["logger"] = logger
    line |= _exception(event.pop("exc_info", None))
    dropped = []
    for key, value in event.items():
        if key in KEYS:
            line[key] = _plain(value)
        else:
            dropped.append(key if _SLUG.fullmatch(key) else "?")
    if dropped:
        line["dropped"] = sorted(dropped)
    return line


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return _plain(value.value)
        case str() | Path():
            return str(value)[:_LIMIT]
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case list() | tuple() | set() | frozenset():
            return [_plain(each) for each in list(value)[:20]]
        case _:
            # Its text may hold anything.
            return type(value).__name__


def _exception(given: object) -> dict[str, object]:
    """Say what was raised and where; the message only of a UserError, which is made to be read."""
    if given is True:
        given = sys.exc_info()[1]
    if isinstance(given, tuple):
        given = given[1]
    if not isinstance(given, BaseException):
        return {}
    frames = traceback.extract_tb(given.__traceback__)[-8:]
    said: dict[str, object] = {"error": type(given).__name__}
    if isinstance(given, UserError):
        said["message"] = str(given)[:500]
    if frames:
        said["where"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return said


class _Scrubbed(logging.Handler):
    """Passes on that a library said something, at which level, and the type of the exception; not what it said.

    Nor does it pass on the same again within seconds: while a broker is away clients say so hundreds of times a minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed_on: dict[tuple[str, str], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.split(".")[0] in _OURS
        if not ours:
            said = record.name, str(record.msg)[:_LIMIT]
            if record.created - self._passed_on.get(said, 0.0) < _AGAIN_AFTER:
                return
            if len(self._passed_on) >= _MOST_REMEMBERED:
                self._passed_on.clear()
            self._passed_on[said] = record.created
        level = min(max(record.levelno // 10 * 10, logging.INFO), logging.CRITICAL)
        log = get_logger(record.name)
        with contextlib.suppress(Exception):   # logging must not break what it reports on
            log.log(level, record.msg if ours else "library_message",
                    **({"exc_info": record.exc_info} if record.exc_info else {}))


def _uncaught(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return
    get_logger("crash").critical("uncaught_exception", exc_info=error)


# What has not called `configure` (a tool, a test) has the same fences, and keeps its standard output for itself.
_fenced("keepintouch", None, logging.INFO)
