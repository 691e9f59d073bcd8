"""`keepintouch smoke`: does a running deployment do what it is for?"""
from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from keepintouch.councils import load_councils
from keepintouch.publishing import sending
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.durations import parse_duration
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import BrokerUnreachable, KafkaSettings, TopicMissing
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import DEFAULT_APP_ID

from .common import COUNCILS_FILE, CouncilsFile

if TYPE_CHECKING:
    from keepintouch.smoke import Door

_KEY = "SMOKE_INTAKE_KEY"


def smoke(
    intake: Annotated[str | None, typer.Option(
        metavar="URL", envvar="SMOKE_INTAKE_URL", help=f"The gateway's address, to go in by it; its API key is {_KEY}. Left out: "
        "straight into Kafka.")] = None,
    within: Annotated[str, typer.Option(metavar="DURATION", help="How long each stage may take: 90s, 5min.")] = "3min",
    councils: CouncilsFile = COUNCILS_FILE,
    app_id: Annotated[str, typer.Option(envvar="CONTACT_MONITOR_APP_ID", help="Which monitor to watch.")] = DEFAULT_APP_ID,
) -> None:
    """Follow one made-up person through a running deployment: in, an alert, a message to nobody, and forgotten again.

    Needs the made-up council `smoke-test` in the councils file of the services. Exit status 1 if a stage fails, with its
    runbook. It is in no figure; it takes a little longer than the monitor's settling (CONTACT_MONITOR_SETTLE_SECONDS).
    """
    from keepintouch.smoke import StageFailed, check_council, stages  # not before: httpx is not in the base installation

    check_council(load_councils(councils), councils)
    settings, longest = load_settings(KafkaSettings), _seconds(within)
    started = before = time.monotonic()
    try:
        with _door(settings, intake) as door:
            for name, what in stages(settings, app_id, door, clock_from_env().now, longest):
                now = time.monotonic()
                typer.echo(f"ok    {name:<9} {now - before:6.1f} s  {what}")
                before = now
    except StageFailed as failed:
        raise _failed(str(failed), failed.runbook) from None
    except (BrokerUnreachable, TopicMissing) as error:
        raise _failed(str(error), "TargetDown") from None
    typer.echo(f"all is well, {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def _door(settings: KafkaSettings, intake: str | None) -> Iterator[Door]:
    import httpx

    from keepintouch.smoke import GatewayDoor, KafkaDoor

    if intake is None:
        with sending(settings) as sender:
            yield KafkaDoor(sender)
        return
    key = os.environ.get(_KEY)
    try:
        if not intake.startswith(("https://", "http://")):
            raise httpx.InvalidURL(intake)
        client = httpx.Client(base_url=intake.rstrip("/"), timeout=30, headers={"Authorization": f"Bearer {key}"} if key else {})
    except httpx.InvalidURL:
        raise UserError("--intake should be an address such as https://intake.example.gov.uk") from None
    except UnicodeEncodeError:
        raise UserError(f"{_KEY} should be the key as it was shown: it has letters that no key has") from None
    with client:
        yield GatewayDoor(client)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UserError(f"--within: {error}") from None


def _failed(why: str, runbook: str) -> typer.Exit:
    typer.echo(f"FAILED {why}\n       docs/runbooks/{runbook}.md", err=True)
    return typer.Exit(1)
