"""`keepintouch erase`: forget a person, and see that it has been done."""
from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console

from keepintouch.acceptance import Refused, accept_event
from keepintouch.councils import load_councils
from keepintouch.erasure import Memory, Traces, erasure, need_topics, publish, watch
from keepintouch.publishing import to_json
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import ALERTS, DEAD_LETTERS, DEFAULT_APP_ID, EVENTS, load_topics, people_changelog
from schemas.common import REF_PATTERN, council_of

from .common import COUNCILS_FILE, CouncilsFile, Yes, ask, instant, need_a_terminal
from .forgetting import IntakeDatabase, forget_here

_REF = re.compile(REF_PATTERN)


def erase(
    ref: Annotated[str, typer.Argument(
        metavar="REF", help="The person's ref; '-' reads it from standard input, so that no shell's history keeps it.")],
    recorded_at: Annotated[str | None, typer.Option(
        metavar="INSTANT", help="Forget what was recorded up to then, not now. The same again is the same erasure.")] = None,
    wait: Annotated[bool, typer.Option(
        "--wait/--no-wait", help="Wait until the monitor has carried it out; --no-wait only asks for it.")] = True,
    within: Annotated[str, typer.Option(metavar="DURATION", help="How long the monitor may take: 90s, 10min.")] = "60s",
    yes: Yes = False,
    councils: CouncilsFile = COUNCILS_FILE,
    database: IntakeDatabase = None,
    app_id: Annotated[str, typer.Option(envvar="CONTACT_MONITOR_APP_ID", help="Which monitor to watch.")] = DEFAULT_APP_ID,
) -> None:
    """Forget a person: everything recorded about them so far, their alerts, and whatever was worked out from them.

    First erase them in the case system, or it will send them again; a file that has them all the same does not bring them back
    unless it says that its snapshot was recorded later. Exit status 1 if the monitor has not carried it out in
    time, or the person was spoken of again since.
    """
    need_a_terminal(yes)
    settings, longest, now = load_settings(KafkaSettings), _duration(within), clock_from_env().now()
    who = _checked(_read_ref() if ref == "-" else ref, load_councils(councils).slugs)
    event = erasure(who, now if recorded_at is None else instant("--recorded-at", recorded_at))
    if isinstance(refused := accept_event(to_json(event), event.subject.encode(), None, now, None), Refused):
        raise UserError(f"--recorded-at cannot be: {refused.detail}")
    ask(f"forget {who}?", yes)
    need_topics(settings, EVENTS, *((ALERTS, people_changelog(app_id)) if wait else ()))
    here = forget_here(database, who, event.data.recorded_at, now)
    partition = publish(settings, event)
    at = f"{event.data.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    typer.echo(f"asked to forget what was recorded up to {at}")
    typer.echo("forgotten where it is kept what was imported and sent over HTTP" if here else
               "no database of the importer or the gateway is here: where one is (INTAKE_DATABASE_URL), run it there too, "
               f"with --recorded-at {at}")
    if not wait:
        typer.echo(f"not waited for; to see whether it has been done: the same with --recorded-at {at}")
        return
    traces = Traces(who, event.data.recorded_at)
    _tell_outcome(traces, _watched(settings, app_id, traces, partition, longest), app_id, within, at)


def _checked(ref: str, councils: frozenset[str]) -> str:
    if not _REF.fullmatch(ref):
        raise UserError("that is no person's ref: one is <council>:<letters, digits, - and _>")
    if council_of(ref) not in councils:
        raise UserError("the council of that ref is not in the councils file: check the ref, or set COUNCILS_FILE")
    return ref


def _read_ref() -> str:
    """A ref from standard input: typed, or the only line of what comes by a pipe."""
    if sys.stdin.isatty():
        typer.echo("ref: ", nl=False, err=True)
        return sys.stdin.readline().strip()
    lines = sys.stdin.read().split()
    if len(lines) != 1:
        raise UserError(f"standard input should hold one ref, and holds {len(lines)}")
    return lines[0]


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UserError(f"--within: {error}") from None


def _watched(settings: KafkaSettings, app_id: str, traces: Traces, partition: int, within: timedelta) -> bool:
    """Wait, and show on a terminal for what."""
    with Console(stderr=True).status("reading what is known of the person") as status:
        def tell() -> None:
            record = {Memory.NOT_ERASED: "not erased yet"}.get(traces.memory, "erased")
            status.update(f"waiting for the monitor: record {record}, alerts left {len(traces.standing)}")

        return watch(settings, app_id, traces, partition, within.total_seconds(), tell)


def _tell_outcome(traces: Traces, settled: bool, app_id: str, within: str, at: str) -> None:
    if not settled:
        left = "the record is" if traces.memory is Memory.NOT_ERASED else f"{len(traces.standing)} alerts are"
        raise _failed(f"not carried out within {within}: {left} still there. Is the monitor of app id {app_id} running and ready "
                      f"(/readyz)? It will do it when it is; to see whether it has: the same with --recorded-at {at}")
    if not traces.done:
        raise _failed(f"what was recorded up to {at} is forgotten, but something recorded later is known of the person: erase "
                      "them in the case system, then run it again")
    typer.echo(f"forgotten: the monitor holds nothing but the ref and that instant; alerts of theirs with a tombstone: "
               f"{len(traces.gone)}")
    typer.echo("until Kafka cleans up, old records are still on its disks (keepintouch topics list):")
    for name, setting, what in ((EVENTS, "retention.ms", "what was said about them"),
                                (people_changelog(app_id), "max.compaction.lag.ms", "earlier states"),
                                (ALERTS, "max.compaction.lag.ms", "their alerts"),
                                (DEAD_LETTERS, "retention.ms", "what was refused, if anything")):
        typer.echo(f"  {name}: {what}, for {_declared(app_id, name, setting)}")


def _failed(why: str) -> typer.Exit:
    typer.echo(f"keepintouch: {why}", err=True)
    return typer.Exit(1)


def _declared(app_id: str, name: str, setting: str) -> str:
    topic = next(each for each in load_topics(app_id=app_id) if each.name == name)
    days = int(topic.config[setting]) // 86_400_000
    return f"up to {days} day{'' if days == 1 else 's'}"
