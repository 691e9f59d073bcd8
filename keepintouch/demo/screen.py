"""How the story looks in a terminal."""
from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.align import Align
from rich.bar import Bar
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from keepintouch.calendar import LONDON
from keepintouch.standards.sentences import RULE_WORDS as RULES

from .figures import Standing
from .visitor import Card

_WIDTH = 98
_PHONE = 46


class Screen:
    """Prints the story, a line at a time; plain text where there is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, width=_WIDTH, record=True)

    def title(self, text: str, below: str) -> None:
        """What this is."""
        self._console.print(Panel(Text(below), title=f"[bold]{text}[/]", border_style="cyan", padding=(1, 2)))

    def step(self, text: str) -> None:
        """Something that is being done."""
        self._console.print(f"[dim]·[/] {text}")

    def chapter(self, text: str) -> None:
        """A new part of the story."""
        self._console.print()
        self._console.print(Rule(f"[bold]{text}[/]", align="left", style="cyan"))

    def say(self, text: str) -> None:
        """Plain words."""
        self._console.print(text)

    def figures(self, standing: Standing) -> None:
        """What was reported, beside what there was."""
        reported, found = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 1))
        for table, rows in ((reported, (("in contact (three months)", standing.in_touch, "green"),
                                        ("pathway plans up to date", standing.plans_in_date, "green"),
                                        ("with a personal adviser", standing.with_adviser, "green"))),
                            (found, (("in meaningful contact", standing.meaningful, "red"),))):
            for text, share, colour in rows:
                table.add_row(f"[bold {colour}]{share:6.1%}[/]", Bar(1, 0, share, width=8, color=colour), text)
        found.add_row("", "", "[dim]seen, or spoken to by[/]")
        found.add_row("", "", "[dim]someone they know,[/]")
        found.add_row("", "", "[dim]within eight weeks[/]")
        self._console.print(Columns([
            Panel(reported, title="The council reported", border_style="green", width=_WIDTH // 2 - 1, height=6),
            Panel(found, title="Keep in Touch finds", border_style="red", width=_WIDTH // 2 - 1, height=6)]))

    def bars(self, counts: Mapping[str, int], most: int) -> None:
        """People by rule, as bars."""
        table = Table.grid(padding=(0, 1))
        largest = max(counts.values(), default=1)
        for rule, count in list(counts.items())[:most]:
            table.add_row(f"{count:5d}", Bar(largest, 0, count, width=28, color="red"), RULES.get(rule, rule.replace("_", " ")))
        self._console.print(table)

    def moment(self, at: datetime, text: str, *more: RenderableType) -> None:
        """Something that happened, at an instant of the story."""
        line = Table.grid(padding=(0, 2))
        line.add_row(f"[bold]{at.astimezone(LONDON):%a %d %b %H:%M}[/]", text)
        self._console.print(Group(line, *more))

    def day(self, at: datetime) -> None:
        """A new day in London."""
        self._console.print(Rule(f"{at.astimezone(LONDON):%A %d %B %Y}", style="dim"))

    def phone(self, owner: str, at: datetime, text: str) -> None:
        """A text as its reader sees it."""
        phone = Panel(Text(text), title=f"[bold]{owner}[/], {at.astimezone(LONDON):%a %H:%M}", width=_PHONE,
                      border_style="blue", padding=(0, 1))
        self._console.print(Align.right(phone))

    def page(self, owner: str, cards: Sequence[Card], said: str) -> None:
        """What the board shows someone who has followed the link of a text, and what it says to a button."""
        lines = Text("\n".join(f"{card.title}\n  {card.why}" for card in cards) + f"\n[ I’m on it ]  →  {said}")
        self._console.print(Panel(lines, title=f"[bold]{owner}[/] follows the link", border_style="green", padding=(0, 1)))

    def wait_for_enter(self, text: str) -> None:
        """Where somebody is at the terminal: say something, and go on when they press Enter."""
        if sys.stdin.isatty() and self._console.is_terminal:
            self._console.input(text)

    def save_picture(self, path: Path) -> None:
        """Save what has been shown so far as an SVG picture, in the viewer's own fonts: it loads nothing from anywhere."""
        svg = self._console.export_svg(title="keepintouch demo")
        path.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")

    def summary(self, rows: Mapping[str, str]) -> None:
        """What there was in the end."""
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="bold")
        for name, value in rows.items():
            table.add_row(value, name)
        self._console.print(table)
