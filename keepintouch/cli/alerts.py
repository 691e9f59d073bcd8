"""`keepintouch alerts`: what is open and why, and saying that somebody is on it; from the topics, so that it works anywhere."""
from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, get_args
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keepintouch.alert_history import AlertHistory, read_history
from keepintouch.calendar import LONDON, london_day
from keepintouch.councils import load_councils
from keepintouch.publishing import sending
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, STAFF
from schemas.actions import Action, AlertAction, NoteCode
from schemas.alerts import Alert
from schemas.common import REF_PATTERN, council_of

from .common import COUNCILS_FILE, CouncilsFile

app = typer.Typer(name="alerts", help="What is open: list it, look at it, act on it.", no_args_is_help=True)

As = Annotated[str | None, typer.Option(
    "--as", metavar="WORKER_REF", help="Who acts: a member of staff of the council; left out: the council's fallback contact.")]

_REF = re.compile(REF_PATTERN)
_DATED = ("snooze", "plan_visit")


@app.command("list")
def list_(council: Annotated[str | None, typer.Option(help="Only this council's.")] = None,
          adviser: Annotated[str | None, typer.Option(metavar="WORKER_REF", help="Only this adviser's.")] = None,
          rule: Annotated[str | None, typer.Option(help="Only under this rule.")] = None,
          everything: Annotated[bool, typer.Option("--all", help="Ended ones, too.")] = False,
          as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as on the topic.")] = False) -> None:
    """List open alerts, the longest open first."""
    found = [alert for alert in read_history(load_settings(KafkaSettings), ALERTS).alerts.values()
             if council in (None, alert.council) and adviser in (None, alert.adviser_ref) and rule in (None, alert.rule)
             and (everything or alert.status == "open")]
    found.sort(key=lambda alert: (alert.opens_on, alert.council, str(alert.alert_id)))
    if as_json:
        for alert in found:
            typer.echo(alert.model_dump_json(exclude_none=True))
    elif found:
        rows = [(str(alert.alert_id), alert.council, alert.rule, alert.severity, alert.status, str(alert.opens_on), alert.mode,
                 alert.adviser_ref or "nobody") for alert in found]
        print_table(("id", "council", "rule", "severity", "status", "opened", "mode", "adviser"), rows)
    else:
        typer.echo("no alerts")


@app.command()
def show(alert_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")]) -> None:
    """Say all that the topic says of one alert, and what was done about it.

    What was sent, held and why: keepintouch notifications show.
    """
    history = read_history(load_settings(KafkaSettings), ALERTS, ALERT_ACTIONS)
    alert = history.find(alert_id)
    for name, value in _said(alert):
        typer.echo(f"{name}: {value}")
    for action in sorted(history.actions.get(alert.alert_id, ()), key=lambda each: each.at):
        until = f" until {action.until}" if action.until is not None else ""
        typer.echo(f"done: {action.at.astimezone(LONDON):%Y-%m-%d %H:%M} {action.action}{until} by {action.actor_ref}, "
                   f"{action.via}")


@app.command()
def act(alert_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")],
        action: Annotated[str, typer.Argument(metavar="ACTION", help=", ".join(get_args(Action)))],
        actor: As = None,
        until: Annotated[str | None, typer.Option(
            metavar="DATE", help="For snooze: held until this day begins; for plan_visit: its day.")] = None,
        note: Annotated[str | None, typer.Option(metavar="CODE", help=f"For review: {', '.join(get_args(NoteCode))}.")] = None,
        councils: CouncilsFile = COUNCILS_FILE) -> None:
    """Do something about one alert, as a reply to a text or the board would; the notifier takes it from the topic."""
    if action not in get_args(Action):
        raise UserError(f"{action!r} is no action: there are {', '.join(get_args(Action))}")
    if note is not None and (action != "review" or note not in get_args(NoteCode)):
        raise UserError(f"--note is for review, one of {', '.join(get_args(NoteCode))}")
    settings, now = load_settings(KafkaSettings), clock_from_env().now()
    day = _until(action, until, london_day(now))
    history = read_history(settings, ALERTS, STAFF)
    alert = history.find(alert_id)
    if alert.status != "open":
        raise UserError(f"that alert has ended ({alert.status}): there is nothing to be done about it")
    who = acting(history, actor, alert.council, councils)
    done = AlertAction.model_validate({"action_id": str(uuid4()), "alert_id": alert.alert_id, "action": action,
                                       "actor_ref": who, "at": now, "via": "cli", "until": day, "note_code": note})
    with sending(settings) as sender:
        sender.action(done)
    typer.echo(f"{action}: said to the notifier, as {who}")


def acting(history: AlertHistory, actor: str | None, council: str, councils: Path) -> str:
    """Who acts for a council: the one named, if they work for it, else its fallback contact. Raises UserError."""
    if actor is None:
        known = load_councils(councils).councils.get(council)
        if known is None:
            raise UserError(f"{council} is not in the councils file: say who acts with --as, or set COUNCILS_FILE")
        return known.fallback
    if not _REF.fullmatch(actor) or council_of(actor) != council:
        raise UserError(f"--as should be the ref of a member of staff of {council}: {council}:…")
    member = history.staff.get(actor)
    if member is None or not member.active:
        raise UserError(f"--as: nobody of that ref works for {council}, as {STAFF} has it")
    return actor


def print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """One line a row; as wide as it needs to be where nobody looks at it directly."""
    console = Console()
    if not console.is_terminal:
        console.width = 400
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _until(action: str, until: str | None, today: date) -> date | None:
    if until is None:
        if action in _DATED:
            raise UserError(f"{action} needs --until DATE")
        return None
    if action not in _DATED:
        raise UserError(f"--until is for {' and '.join(_DATED)}")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise UserError(f"--until {until!r} is no date: write 2026-03-02") from None
    if day < today:
        raise UserError(f"--until {until} is past")
    return day


def _said(alert: Alert) -> list[tuple[str, str]]:
    said = alert.model_dump(mode="json", exclude_none=True)
    policy, detail = said.pop("policy"), said.pop("detail")
    said |= {"policy": f"{policy['id']} version {policy['version']}", "evidence": ", ".join(alert.evidence) or "none"} | detail
    return [(name.replace("_", " "), str(value)) for name, value in said.items()]
