"""`keepintouch demo` and `keepintouch up`: everything on this machine, with a made-up council."""
from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from keepintouch.calendar import london_day
from keepintouch.runtime.stopping import exit_on_signals
from keepintouch.simulator import TYPICAL, simulate

_SETTLE_SECONDS = 5.0


def demo(
    picture: Annotated[Path | None, typer.Option(help="Also save the figures, as shown, as an SVG picture in this file.")] = None,
) -> None:
    """Tell the story of a county that reported 92 % in contact: on a real Kafka, in about a minute. Leaves nothing running.

    A Kafka given by KAFKA_BOOTSTRAP_SERVERS is used instead of a local one; its topics must be empty.
    """
    from keepintouch.demo.screen import Screen  # not before: the base installation lacks what a demo needs
    from keepintouch.demo.story import tell

    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
    with exit_on_signals():
        tell(Screen(), picture)


def up(
    people: Annotated[int, typer.Option(min=1, help="How many made-up care leavers.")] = TYPICAL.people.value,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same people.")] = 1,
) -> None:
    """Run everything here until Ctrl-C: Kafka, the services, and a made-up council with a year of history up to yesterday.

    Texts are printed into a file instead of being sent. A Kafka given by KAFKA_BOOTSTRAP_SERVERS is used instead of a local
    one; its topics must be empty.
    """
    from keepintouch.demo.screen import Screen
    from keepintouch.demo.stack import BOARD, INTAKE, MONITOR, NOTIFIER, Stack
    from keepintouch.demo.story import POLICY

    screen = Screen()
    first = london_day(datetime.now(UTC)) - timedelta(days=TYPICAL.days)
    council = simulate(TYPICAL, people=people, seed=seed, start=first)
    stack = Stack(council, POLICY, settle_seconds=_SETTLE_SECONDS, say=screen.step)
    with exit_on_signals(), stack:
        screen.step(f"writing a year of {council.people} made-up care leavers into Kafka")
        stack.feed(council.staff, council.history())
        for service in (MONITOR, NOTIFIER, INTAKE, BOARD):
            stack.start(service)
        stack.wait_ready()
        screen.chapter("Everything is up; Ctrl-C ends it and removes its data")
        screen.summary({
            "the board: sign in as anybody": stack.address(BOARD), "intake: /docs, /v1/events": stack.address(INTAKE),
            "Kafka": stack.kafka.bootstrap_servers, "contact_monitor: /metrics, /readyz": stack.address(MONITOR),
            "notifier: /metrics, /readyz, callbacks": stack.address(NOTIFIER), "texts, one JSON a line": str(stack.texts),
            "logs and settings": str(stack.folder)})
        try:
            while True:
                stack.services.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            screen.step("stopping")
