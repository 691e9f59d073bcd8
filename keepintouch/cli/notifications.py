"""`keepintouch notifications`: what is held and why, letting it go, and the whole story of one alert."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import uuid4

import orjson
import typer

from keepintouch.alert_history import STORM, by_reason, in_words, read_history
from keepintouch.calendar import LONDON
from keepintouch.publishing import sending
from keepintouch.runtime.clock import clock_from_env
from keepintouch.runtime.errors import UserError
from keepintouch.runtime.kafka import KafkaSettings
from keepintouch.runtime.settings import load_settings
from keepintouch.runtime.topics import ALERT_ACTIONS, ALERTS, NOTIFICATIONS, STAFF
from schemas.actions import AlertAction
from schemas.common import council_of

from .alerts import As, acting, print_table
from .common import COUNCILS_FILE, CouncilsFile, Yes, ask, need_a_terminal

app = typer.Typer(name="notifications", help="Messages to staff: what is held, letting it go, the story of an alert.",
                  no_args_is_help=True)


@app.command()
def held(council: Annotated[str | None, typer.Option(help="Only this council's.")] = None,
         as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """Count the open alerts of which something is held now, by council, reason and step, and since when."""
    history = read_history(load_settings(KafkaSettings), ALERTS, NOTIFICATIONS)
    found = by_reason((alert, told) for alert, told in history.held() if council in (None, alert.council))
    if as_json:
        for (slug, reason, step), (count, since) in found.items():
            typer.echo(orjson.dumps({"council": slug, "reason": reason, "step": step, "alerts": count, "since": since}))
        return
    if not found:
        typer.echo("nothing is held")
        return
    print_table(("council", "why", "step", "alerts", "since"), [
        (slug, in_words(reason), step, str(count), _time(since)) for (slug, reason, step), (count, since) in found.items()])
    for slug in sorted({slug for slug, reason, _ in found if reason == STORM}):
        typer.echo(f"to let what came at once go: keepintouch notifications release --council {slug}")


@app.command()
def release(council: Annotated[str | None, typer.Option(help="Whose; left out: that of --as, or the only one.")] = None,
            actor: As = None, yes: Yes = False, councils: CouncilsFile = COUNCILS_FILE) -> None:
    """Let everything go that a council's storm holds back. It goes out within a minute or so, in working hours."""
    settings, now = load_settings(KafkaSettings), clock_from_env().now()
    need_a_terminal(yes)
    history = read_history(settings, ALERTS, NOTIFICATIONS, STAFF)
    waiting = [alert for alert, told in history.held() if told.reason == STORM]
    slug = council or (council_of(actor) if actor is not None else _only(sorted({each.council for each in waiting})))
    who = acting(history, actor, slug, councils)
    alerts = sorted({alert.alert_id for alert in waiting if alert.council == slug})
    if not alerts:
        raise UserError(f"nothing of {slug} waits to be released (keepintouch notifications held)")
    ask(f"send what is held of {len(alerts)} alerts of {slug}?", yes)
    with sending(settings) as sender:   # an action on one of them releases all
        sender.action(AlertAction(action_id=str(uuid4()), alert_id=alerts[0], action="release", actor_ref=who, at=now,
                                  via="cli", until=None, note_code=None))
    typer.echo(f"{len(alerts)} alerts of {slug}: said to the notifier, as {who}")


@app.command()
def show(alert_id: Annotated[str, typer.Argument(metavar="ALERT", help="Id of an alert, or the beginning of it.")]) -> None:
    """Tell the whole story of one alert: what opened it, what was done, sent, held and dropped, and why. Times are London's."""
    history = read_history(load_settings(KafkaSettings), ALERTS, ALERT_ACTIONS, NOTIFICATIONS)
    alert = history.find(alert_id)
    typer.echo(f"{alert.alert_id}: {alert.rule}, {alert.severity}, {alert.status}, adviser {alert.adviser_ref or 'nobody'}, "
               f"open since {alert.opens_on}\n")
    print_table(("when", "what", "who", "how and why"), [
        (_time(each.at), each.what, each.who, each.how) for each in history.story(alert)])


def _only(slugs: Sequence[str]) -> str:
    if not slugs:
        raise UserError("nothing waits to be released (keepintouch notifications held)")
    if len(slugs) > 1:
        raise UserError(f"say whose with --council: there are {', '.join(slugs)}")
    return slugs[0]


def _time(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%Y-%m-%d %H:%M:%S}"
