"""What a dashboard is made of, before it is anybody's JSON."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

COUNCILS_FROM = "board_people_in_scope"
"""The metric of which `$council` offers the councils."""


class View(StrEnum):
    """How a panel shows its figures. The values are Grafana's names."""

    FIGURE = "stat"
    LINES = "timeseries"
    BARS = "bargauge"
    TABLE = "table"
    """Two labels of one query: rows by columns."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression for Prometheus, and what each of its series is called: `{{label}}` is put in.

    `$council` is a pattern of the councils chosen, `$window` the time looked back over.
    """

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture. `unit` is Grafana's name of it. Width in 24ths of the page."""

    title: str
    description: str
    unit: str
    view: View
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    matrix: tuple[str, str] | None = None
    """For a table: the label of its rows, and that of its columns."""
    may_be_empty: str | None = None
    """Why it may show nothing; None: it must show something."""


@dataclass(frozen=True, slots=True)
class Section:
    """A row of panels under a title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    description: str
    windows: tuple[str, ...]
    """What `$window` can be, the first unless chosen."""
    since: str
    """How far back it shows at first, such as `now-90d`."""
    refresh: str
    sections: tuple[Section, ...]

    def panels(self) -> Iterator[Panel]:
        """Every panel, in reading order."""
        for section in self.sections:
            yield from section.panels


def lines(title: str, description: str, unit: str, *queries: tuple[str, str], width: int = 8, height: int = 8,
          may_be_empty: str | None = None) -> Panel:
    """A panel of lines over time; each query is an expression and a legend."""
    return Panel(title=title, description=description, unit=unit, view=View.LINES, width=width, height=height,
                 may_be_empty=may_be_empty, queries=tuple(Query(*each) for each in queries))


def figure(title: str, description: str, unit: str, *queries: tuple[str, str], width: int = 6, height: int = 5,
           may_be_empty: str | None = None) -> Panel:
    """A panel of large figures."""
    return Panel(title=title, description=description, unit=unit, view=View.FIGURE, width=width, height=height,
                 may_be_empty=may_be_empty, queries=tuple(Query(*each) for each in queries))


def bars(title: str, description: str, unit: str, expr: str, legend: str, *, width: int = 8, height: int = 5,
         may_be_empty: str | None = None) -> Panel:
    """A panel of bars, one a series."""
    return Panel(title=title, description=description, unit=unit, view=View.BARS, width=width, height=height,
                 may_be_empty=may_be_empty, queries=(Query(expr, legend),))


def matrix(title: str, description: str, unit: str, expr: str, rows: str, columns: str, *, width: int = 12,
           may_be_empty: str | None = None) -> Panel:
    """A table of one label by another."""
    return Panel(title=title, description=description, unit=unit, view=View.TABLE, width=width, height=12,
                 matrix=(rows, columns), may_be_empty=may_be_empty,
                 queries=(Query(expr, f"{{{{{rows}}}}} {{{{{columns}}}}}"),))
