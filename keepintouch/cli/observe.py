"""`keepintouch observe`: every panel of the dashboards, tried on a month in about a minute."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keepintouch.runtime.stopping import exit_on_signals

if TYPE_CHECKING:
    from keepintouch.observe.examining import Examined, Shown

_PICTURES = {"kit-contact": "dashboard-managers.svg", "kit-running": "dashboard-operators.svg"}
_MOST = 3


def observe(
    seconds_a_day: Annotated[float, typer.Option(min=0.5, help="Real seconds in which a day passes.")] = 2.4,
    days: Annotated[int, typer.Option(min=7, max=28, help="How many days pass.")] = 28,
    people: Annotated[int, typer.Option(min=50, help="How many made-up care leavers.")] = 200,
    pictures: Annotated[Path | None, typer.Option(
        help="Also draw both dashboards, from the same answers, as SVG pictures into this folder.")] = None,
) -> None:
    """Let a month pass on everything, watched by a real Prometheus, and ask what each panel of the dashboards asks.

    Prints each panel's latest values. Exit status 1 if a query fails, a panel is empty that does not say that it may be, lacks
    title, description or unit, asks for a metric that no service speaks of, or shows a label that could name a person.
    """
    from keepintouch.observe.examining import examine  # not before: the base installation lacks what this needs
    from keepintouch.observe.grafana import DASHBOARDS
    from keepintouch.observe.month import month
    from keepintouch.observe.pictures import picture

    console = Console(highlight=False, width=118)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    with exit_on_signals(), month(lambda text: console.print(f"[dim]·[/] {text}"), days=days, people=people,
                                  seconds_a_day=seconds_a_day) as watched:
        found = examine(watched.prometheus, DASHBOARDS, watched.start, watched.seconds_a_day)
    for each in found:
        console.print(table(each))
    if pictures is not None:
        for each in found:
            path = pictures / _PICTURES[each.board.uid]
            path.write_text(picture(each, f"{days} days of {people} made-up care leavers. Drawn by keepintouch observe from what "
                                    "Prometheus answered to the dashboard's own queries; Grafana looks different and says the "
                                    "same."), encoding="utf-8")
            console.print(f"[dim]·[/] {path}")
    console.print(f"{sum(len(each.shown) for each in found)} panels; "
                  f"{'nothing is wrong' if all(each.sound for each in found) else 'what is wrong is said above'}")
    if not all(each.sound for each in found):
        raise typer.Exit(1)


def table(examined: Examined) -> Table:
    """A dashboard's panels, what each shows now, and what is wrong."""
    shown_as = Table(title=Text(examined.board.title, style="bold"), title_justify="left", show_edge=False, pad_edge=False)
    for head, ratio in (("panel", 3), ("latest", 8), ("", 1)):
        shown_as.add_column(head, ratio=ratio)
    for shown in examined.shown:
        shown_as.add_row(Text(shown.panel.title), _latest(shown), Text("wrong", "red") if shown.faults else Text("ok", "green"))
    for fault in examined.faults:
        shown_as.add_row(Text(examined.board.title), Text(fault, "red"), Text("wrong", "red"))
    return shown_as


def _latest(shown: Shown) -> Text:
    from keepintouch.observe.words import written

    if shown.faults:
        return Text("\n".join(shown.faults), style="red")
    if not shown.found:
        return Text(f"empty: {shown.panel.may_be_empty}", style="dim")
    ordered: Sequence[tuple[str, str]] = [
        (each.name, written(each.series.latest, shown.panel.unit))
        for each in sorted(shown.found, key=lambda named: -named.series.latest)]
    said = Text(", ").join(Text.assemble((value, "bold"), f" {name}" if name else "") for name, value in ordered[:_MOST])
    return said.append(f" and {len(ordered) - _MOST} more", style="dim") if len(ordered) > _MOST else said
