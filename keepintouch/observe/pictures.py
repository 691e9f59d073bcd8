"""A dashboard as an SVG picture, drawn here from what Prometheus answered: no screenshot of Grafana, but the same figures."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from keepintouch.check.markup import Html, joined, tag

from .examining import Examined, Named, Shown
from .panels import Panel, View
from .words import written

_PAGE, _COLUMN, _ROW, _MARGIN, _GAP = 24, 50, 28, 20, 4
_INK, _DIM, _GRID, _PAPER, _EDGE = "#0b0c0c", "#505a5f", "#d8dadb", "#ffffff", "#b1b4b6"
_COLOURS = ("#1d70b8", "#d4351c", "#00703c", "#f47738", "#4c2c92", "#28a197", "#912b88", "#85994b", "#505a5f", "#b58840")
_WIDE, _BELOW = 12, 3
"""From so many columns on a legend stands beside its lines; else so many of them below."""
_LETTER = 7.0
"""Width of a letter of the small text, about."""


def picture(examined: Examined, caption: str) -> str:
    """The whole dashboard; `caption` stands below its title and says what is shown."""
    drawn, y = [], 78
    for section in examined.board.sections:
        drawn.append(tag("text", section.title, x=_MARGIN, y=y + 18, font_size=16, font_weight="bold"))
        y += 28
        placed, below = _placed(section.panels, y)
        for panel, x, top, width, height in placed:
            shown = next(each for each in examined.shown if each.panel is panel)
            drawn.append(tag("g", _panel(shown, width, height), transform=f"translate({x} {top})"))
        y = below + 10
    width, height = _PAGE * _COLUMN + 2 * _MARGIN, y + 6
    title = examined.board.title
    return tag("svg", tag("title", title, id="title"), tag("desc", caption, id="desc"),
               tag("rect", x=0, y=0, width=width, height=height, fill="#f3f2f1"),
               tag("text", title, x=_MARGIN, y=36, font_size=22, font_weight="bold"),
               tag("text", caption, x=_MARGIN, y=60, font_size=12, fill=_DIM), drawn, role="img",
               xmlns="http://www.w3.org/2000/svg", aria_labelledby="title desc", viewBox=f"0 0 {width} {height}",
               font_family="Arial, Helvetica, sans-serif", font_size=12, fill=_INK) + "\n"


def _placed(panels: Sequence[Panel], y: int) -> tuple[list[tuple[Panel, int, int, int, int]], int]:
    """As in Grafana: from left to right, and a new line where the next does not fit."""
    placed, x, tall = [], 0, 0
    for panel in panels:
        if x + panel.width > _PAGE:
            x, y, tall = 0, y + tall * _ROW, 0
        placed.append((panel, _MARGIN + x * _COLUMN, y, panel.width * _COLUMN - _GAP, panel.height * _ROW - _GAP))
        x, tall = x + panel.width, max(tall, panel.height)
    return placed, y + tall * _ROW


def _panel(shown: Shown, width: int, height: int) -> Html:
    draw = _VIEWS[shown.panel.view]
    empty = tag("text", shown.panel.may_be_empty or "nothing", x=12, y=46, fill=_DIM)
    return joined(tag("rect", x=0, y=0, width=width, height=height, rx=3, fill=_PAPER, stroke=_EDGE),
                  tag("text", shown.panel.title, x=12, y=20, font_size=13, font_weight="bold"),
                  list(draw(shown, width, height)) if shown.found else empty)


def _figures(shown: Shown, width: int, height: int) -> Iterator[Html]:
    place = (width - 24) / len(shown.found)
    longest = max(len(written(each.series.latest, shown.panel.unit)) for each in shown.found)
    large = min(34.0, (place - 12) / longest / 0.62)
    for number, each in enumerate(shown.found):
        x, y = 12 + number * place, height / 2 + 12
        yield tag("text", written(each.series.latest, shown.panel.unit), x=f"{x:.0f}", y=f"{y:.0f}", font_size=f"{large:.0f}",
                  font_weight="bold", fill=_COLOURS[number % len(_COLOURS)])
        yield tag("text", _short(each.name, place), x=f"{x:.0f}", y=f"{y + 20:.0f}", fill=_DIM)


def _lines(shown: Shown, width: int, height: int) -> Iterator[Html]:
    ordered = sorted(shown.found, key=lambda named: -named.series.latest)
    beside = shown.panel.width >= _WIDE
    left, top, bottom, right = 62.0, 34.0, height - 16.0, width - 14.0
    if beside:
        right -= min(_LETTER * max(len(_legend(each, shown)) for each in ordered) + 16, width * 0.45)
    else:
        ordered = ordered[:_BELOW]
        bottom -= 15 * len(ordered) + 4
    most = 1.0 if shown.panel.unit == "percentunit" else max(_most(shown), 1e-3) * 1.05
    yield from _grid(shown, most, left, right, top, bottom)
    first, last = _span(shown)
    for number, each in enumerate(ordered):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(f"{left + (at - first) / max(last - first, 1) * (right - left):.1f},"
                         f"{bottom - min(max(value, 0), most) / most * (bottom - top):.1f}" for at, value in each.series.points)
        yield tag("polyline", points=drawn, fill="none", stroke=colour, stroke_width=1.8, stroke_linejoin="round")
        x, y = (right + 8, top + 6 + number * 15) if beside else (12.0, bottom + 20 + number * 15)
        if y < height:
            yield tag("text", _short(_legend(each, shown), width - x - 8), x=f"{x:.0f}", y=f"{y:.0f}", fill=colour, font_size=11)


def _grid(shown: Shown, most: float, left: float, right: float, top: float, bottom: float) -> Iterator[Html]:
    for part in range(3):
        y = bottom - (bottom - top) * part / 2
        yield tag("line", x1=left, x2=f"{right:.0f}", y1=f"{y:.1f}", y2=f"{y:.1f}", stroke=_GRID)
        yield tag("text", written(most * part / 2, shown.panel.unit).removesuffix(_of(shown)), x=left - 6, y=f"{y + 4:.1f}",
                  text_anchor="end", fill=_DIM, font_size=11)


def _most(shown: Shown) -> float:
    return max(value for each in shown.found for _, value in each.series.points)


def _span(shown: Shown) -> tuple[float, float]:
    times = [at for each in shown.found for at, _ in each.series.points]
    return min(times), max(times)


def _bars(shown: Shown, width: int, height: int) -> Iterator[Html]:
    room = max(1, int((height - 34) // 24))
    ordered = sorted(shown.found, key=lambda named: -named.series.latest)[:room]
    most = max(ordered[0].series.latest, 1e-9)
    names = min(max(len(each.name) for each in ordered) * _LETTER + 16, width * 0.5)
    length = width - names - 110
    for number, each in enumerate(ordered):
        y, drawn = 34 + number * 24, max(2.0, each.series.latest / most * length)
        yield tag("text", _short(each.name, names), x=12, y=y + 14)
        yield tag("rect", x=f"{names:.0f}", y=y + 2, width=f"{drawn:.0f}", height=15, fill=_COLOURS[0])
        yield tag("text", written(each.series.latest, shown.panel.unit), x=f"{names + drawn + 6:.0f}", y=y + 14, font_size=11,
                  font_weight="bold")


def _table(shown: Shown, width: int, height: int) -> Iterator[Html]:
    assert shown.panel.matrix is not None
    rows, columns = shown.panel.matrix
    cells = {(each.series.labels[rows], each.series.labels[columns]): each.series.latest for each in shown.found}
    heads = sorted({column for _, column in cells})
    names = sorted({row for row, _ in cells}, key=lambda row: -sum(value for (of, _), value in cells.items() if of == row))
    step = (width - 220) / len(heads)
    for number, head in enumerate(heads):
        yield tag("text", head, x=f"{220 + (number + 1) * step - 24:.0f}", y=42, text_anchor="end", fill=_DIM)
    for number, name in enumerate(names[:int((height - 48) // 19)]):
        y = 62 + number * 19
        yield tag("line", x1=12, x2=width - 12, y1=y - 14, y2=y - 14, stroke=_GRID)
        yield tag("text", name, x=12, y=y)
        for place, head in enumerate(heads):
            value = cells.get((name, head), 0)
            yield tag("text", f"{value:.0f}", x=f"{220 + (place + 1) * step - 24:.0f}", y=y, text_anchor="end",
                      fill=_INK if value else _EDGE)


_VIEWS: dict[View, Callable[[Shown, int, int], Iterator[Html]]] = {
    View.FIGURE: _figures, View.LINES: _lines, View.BARS: _bars, View.TABLE: _table}


def _legend(each: Named, shown: Shown) -> str:
    return f"{each.name} {written(each.series.latest, shown.panel.unit).removesuffix(_of(shown))}"


def _of(shown: Shown) -> str:
    """What a unit adds to a number that need not be said at every line."""
    return " " + shown.panel.unit.removeprefix("suffix: ") if shown.panel.unit.startswith("suffix: ") else ""


def _short(text: str, room: float) -> str:
    letters = max(3, int(room / _LETTER))
    return text if len(text) <= letters else f"{text[:letters - 1]}…"
