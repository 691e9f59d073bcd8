"""What is wrong with a dashboard, by itself and in what Prometheus answers. Pure."""
from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from .panels import COUNCILS_FROM, Dashboard, Panel, View

LABELS = frozenset({
    "__name__", "action", "age", "alertname", "alertstate", "channel", "council", "feed", "instance", "job", "kind", "le", "loop",
    "mode", "outcome", "partition", "provider", "reason", "result", "route", "rule", "severity", "source", "state", "status",
    "team", "template", "topic", "what", "within_5wd"})
"""Every label that a panel may show or ask for. None can name a person, and none is added without asking whether it could."""

OF_PROMETHEUS = frozenset({"up", "ALERTS"})
"""What Prometheus itself says."""

_OURS = re.compile(r"(?<![\w:])(?:board|contact_monitor|intake|notifier)_[a-z0-9_]+(?![\w:])")
_RECORDED = re.compile(r"(?<![\w:])[a-z_]+:[a-z0-9_]+:[a-z0-9_]+(?![\w:])")
_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")
_MATCHED = re.compile(r"([a-z_0-9]+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_TEXT = re.compile(r'"[^"]*"')
_LEGEND = re.compile(r"\{\{\s*([a-z_0-9]+)\s*\}\}")


def faults(board: Dashboard, known: Collection[str]) -> Iterator[str]:
    """What is wrong with a dashboard before anything is asked of it: one line each.

    `known`: names of all metrics and recorded figures; a histogram's without `_bucket`, `_sum` and `_count`.
    """
    if COUNCILS_FROM not in known:
        yield f"{board.title}, $council: there is no metric {COUNCILS_FROM}"
    titles = [panel.title for panel in board.panels()]
    yield from (f"{board.title}: two panels are called {title}" for title in sorted({t for t in titles if titles.count(t) > 1}))
    for panel in board.panels():
        for fault in (*_incomplete(panel), *_labels(panel), *(f"there is no metric {name}" for name in unknown(panel, known))):
            yield f"{board.title}, {panel.title or 'a panel'}: {fault}"


def unknown(panel: Panel, known: Collection[str]) -> list[str]:
    """Names that a panel asks for and nobody gives, sorted."""
    return sorted(name for name in {name for query in panel.queries for name in names(query.expr)}
                  if name not in known and _HISTOGRAM.sub("", name) not in known)


def names(expr: str) -> set[str]:
    """The metrics of ours, and the recorded figures, that an expression names."""
    bare = _TEXT.sub('""', expr)
    return {*_OURS.findall(bare), *_RECORDED.findall(bare)}


def person_level(labels: Iterable[str]) -> list[str]:
    """The labels that nobody has said to be no person's, sorted."""
    return sorted(set(labels) - LABELS)


def _incomplete(panel: Panel) -> Iterator[str]:
    for name, value in (("title", panel.title), ("description", panel.description), ("unit", panel.unit),
                        ("query", panel.queries)):
        if not value:
            yield f"it has no {name}"
    if (panel.view is View.TABLE) != (panel.matrix is not None):
        yield "a table says what its rows and columns are, and nothing else does"
    if panel.may_be_empty is not None and not panel.may_be_empty.strip():
        yield "it may be empty, and does not say why"
    yield from (f"{query.expr} has no legend" for query in panel.queries if not query.legend)


def _labels(panel: Panel) -> Iterator[str]:
    for query in panel.queries:
        used = {*_MATCHED.findall(query.expr), *_LEGEND.findall(query.legend), *(panel.matrix or ())}
        for group in _GROUPED.findall(query.expr):
            used.update(filter(None, map(str.strip, group.split(","))))
        yield from (f"{label} is not among the labels that can name nobody" for label in person_level(used))
