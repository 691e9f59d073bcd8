"""Asks everything that the dashboards ask, and says what is wrong with the answers."""
from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .checking import OF_PROMETHEUS, faults, person_level
from .panels import COUNCILS_FROM, Dashboard, Panel, Query, View
from .prometheus import Prometheus, QueryError, Series

_WAIT = 10.0
"""Real seconds that all panels together may be asked again."""
_LEGEND = re.compile(r"\{\{\s*([a-z_0-9]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Named:
    """A series, as its legend calls it."""

    name: str
    series: Series


@dataclass(frozen=True, slots=True)
class Shown:
    """What a panel shows, and what is wrong with that."""

    panel: Panel
    found: tuple[Named, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A dashboard's panels in order; and what is wrong with the dashboard itself."""

    board: Dashboard
    shown: tuple[Shown, ...]
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and not any(each.faults for each in self.shown)


def examine(prometheus: Prometheus, boards: Sequence[Dashboard], start: float, seconds_a_day: float) -> list[Examined]:
    """Ask every query of every panel.

    `start`: real instant from which lines are drawn. `seconds_a_day`: real seconds in which a day of the services' clock passes.
    A window of days is one of the services' clock, and is asked of Prometheus in the real time it takes; shorter ones are real.
    """
    known, deadline = prometheus.names() | OF_PROMETHEUS, time.monotonic() + _WAIT
    return [_examined(prometheus, board, known, start, seconds_a_day, deadline) for board in boards]


def _examined(prometheus: Prometheus, board: Dashboard, known: set[str], start: float, seconds_a_day: float, deadline: float
              ) -> Examined:
    window = in_real_time(board.windows[0], seconds_a_day)
    councils = "|".join(prometheus.councils(COUNCILS_FROM))

    def ask(query: Query, view: View) -> list[Series]:
        expr = query.expr.replace("$window", window).replace("$council", councils)
        return prometheus.since(expr, start) if view is View.LINES else prometheus.now(expr)

    return Examined(board, tuple(_asked(panel, ask, deadline) for panel in board.panels()), tuple(faults(board, known)))


def in_real_time(window: str, seconds_a_day: float) -> str:
    """A window in the time that Prometheus has."""
    return f"{max(1, round(int(window[:-1]) * seconds_a_day))}s" if window.endswith("d") else window


def _asked(panel: Panel, ask: Callable[[Query, View], list[Series]], deadline: float) -> Shown:
    """A service that was too busy for one scrape is asked again before anything is called empty."""
    while True:
        shown = judged(panel, ask)
        if not shown.faults or time.monotonic() > deadline:
            return shown
        time.sleep(1)


def judged(panel: Panel, ask: Callable[[Query, View], list[Series]]) -> Shown:
    """What a panel shows, asked once."""
    found: list[Named] = []
    wrong: list[str] = []
    for query in panel.queries:
        try:
            answer = ask(query, panel.view)
        except QueryError as error:
            wrong.append(f"{query.legend}: {error}")
            continue
        if not answer and panel.may_be_empty is None:
            wrong.append(f"{query.legend}: empty, and it does not say that it may be")
        wrong.extend(_label_faults(query, answer))
        found.extend(Named(named(query.legend, series), series) for series in answer)
    return Shown(panel, tuple(found), tuple(dict.fromkeys(wrong)))


def named(legend: str, series: Series) -> str:
    """A legend with its labels put in."""
    return _LEGEND.sub(lambda match: series.labels.get(match[1], ""), legend)


def _label_faults(query: Query, answer: Sequence[Series]) -> Iterator[str]:
    there = {label for series in answer for label in series.labels}
    yield from (f"{query.legend}: shows the label {label}, which is not among those that can name nobody"
                for label in person_level(there))
    if answer:   # one that is empty, such as the source of what is no event, is as none to Prometheus
        yield from (f"{query.legend}: there is no label {label}" for label in _LEGEND.findall(query.legend) if label not in there)
