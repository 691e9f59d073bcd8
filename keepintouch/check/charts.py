"""Pictures of a report as inline SVG: each has a title and a description, and its numbers are in a table beside it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .markup import Html, joined, tag

_INK, _GRID, _BAR = "#0b0c0c", "#b1b4b6", "#1d70b8"
_WIDTH = 880


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: shares from 0 to 1, None where there is none. Dashes tell lines apart where colours do not."""

    name: str
    colour: str
    dashes: str | None
    shares: Sequence[float | None]


def lines_chart(key: str, title: str, described: str, ticks: Sequence[str], lines: Sequence[Line]) -> Html:
    """Shares over time. `ticks` are the labels below, empty where there is none."""
    left, right, top, height = 58, 235, 12, 250
    width = _WIDTH - left - right
    step = width / max(1, len(ticks) - 1)

    def x(place: int) -> float:
        return left + place * step

    def y(share: float) -> float:
        return top + (1 - share) * height

    grid = [joined(
        tag("line", x1=left, x2=left + width, y1=f"{y(part / 4):.1f}", y2=f"{y(part / 4):.1f}", stroke=_GRID, stroke_width=1),
        tag("text", f"{part * 25} %", x=left - 8, y=f"{y(part / 4) + 4:.1f}", text_anchor="end")) for part in range(5)]
    below = [tag("text", label, x=f"{x(place):.1f}", y=top + height + 20, text_anchor="middle")
             for place, label in enumerate(ticks) if label]
    places = _apart([y(line.shares[-1]) for line in lines if line.shares and line.shares[-1] is not None])
    drawn = []
    for line in lines:
        drawn += [tag("polyline", points=" ".join(f"{x(place):.1f},{y(share):.1f}" for place, share in run), fill="none",
                      stroke=line.colour, stroke_width=3, stroke_dasharray=line.dashes, stroke_linejoin="round")
                  for run in _runs(line.shares)]
        last = line.shares[-1] if line.shares else None
        if last is not None:
            drawn += [tag("circle", cx=f"{x(len(line.shares) - 1):.1f}", cy=f"{y(last):.1f}", r=4, fill=line.colour),
                      tag("text", f"{line.name} {last:.0%}".replace("%", " %"), x=f"{x(len(line.shares) - 1) + 10:.1f}",
                          y=f"{places.pop(0) + 5:.1f}", fill=line.colour, font_weight="bold")]
    return _svg(key, title, described, top + height + 34, grid, below, drawn)


def bars_chart(key: str, title: str, described: str, bars: Sequence[tuple[str, int]]) -> Html:
    """Counts, one bar each, the label above its bar."""
    row, most = 42, max((count for _, count in bars), default=1) or 1
    room = _WIDTH - 80
    drawn = [joined(
        tag("text", label, x=0, y=place * row + 16),
        tag("rect", x=0, y=place * row + 22, width=f"{max(2, count / most * room):.1f}", height=13, fill=_BAR),
        tag("text", str(count), x=f"{max(2, count / most * room) + 8:.1f}", y=place * row + 34, font_weight="bold"))
        for place, (label, count) in enumerate(bars)]
    return _svg(key, title, described, len(bars) * row + 4, drawn)


def share_bar(share: float, colour: str) -> Html:
    """A bar beside a number that says the same; nothing is lost without it."""
    return tag("svg", tag("rect", x=0, y=0, width=200, height=14, fill="#f3f2f1", stroke=_GRID),
               tag("rect", x=0, y=0, width=f"{200 * share:.1f}", height=14, fill=colour),
               viewBox="0 0 200 14", preserveAspectRatio="none", aria_hidden="true", focusable="false", class_="share")


def _svg(key: str, title: str, described: str, height: float, *drawn: Sequence[Html]) -> Html:
    return tag("svg", tag("title", title, id=f"{key}-title"), tag("desc", described, id=f"{key}-desc"), drawn, role="img",
               aria_labelledby=f"{key}-title {key}-desc", viewBox=f"0 0 {_WIDTH} {height:g}", fill=_INK, class_="chart")


def _runs(shares: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The stretches without a gap, each point with its place; a single point is a stretch too."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, share in enumerate(shares):
        if share is not None:
            runs[-1].append((place, share))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _apart(places: list[float], least: float = 18) -> list[float]:
    """Labels moved apart so that none covers another, each staying as near to its place as that allows."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + least)
    return moved
