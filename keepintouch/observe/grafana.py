"""Dashboards as Grafana's JSON, and the files that are checked in."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keepintouch.runtime.places import deploy_file

from .managers import MANAGERS
from .operators import OPERATORS
from .panels import COUNCILS_FROM, Dashboard, Panel, View

DASHBOARDS = (MANAGERS, OPERATORS)
SOURCE = "prometheus"
"""Id of the data source, as deploy/grafana/provisioning gives it."""

_SCHEMA = 41
_WIDTH = 24
_SOURCE = {"type": "prometheus", "uid": SOURCE}


def files() -> dict[Path, str]:
    """What deploy/grafana/dashboards holds: each file, and its text."""
    folder = deploy_file("grafana") / "dashboards"
    return {folder / f"{board.uid}.json": json.dumps(as_json(board), indent=2, ensure_ascii=False) + "\n" for board in DASHBOARDS}


def as_json(board: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    return {
        "uid": board.uid, "title": board.title, "description": board.description, "tags": ["keep-in-touch"],
        "schemaVersion": _SCHEMA, "version": 1, "editable": False, "graphTooltip": 1, "timezone": "Europe/London",
        "time": {"from": board.since, "to": "now"}, "refresh": board.refresh,
        "templating": {"list": [_council(), _window(board)]}, "panels": list(_placed(board))}


def _council() -> dict[str, Any]:
    """All of them are those that have figures: the smoke test's council is not among them."""
    asked = f"label_values({COUNCILS_FROM}, council)"
    return {"name": "council", "label": "Council", "type": "query", "datasource": _SOURCE, "definition": asked,
            "query": {"query": asked, "refId": "council"}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "current": {"text": "All", "value": "$__all"}}


def _window(board: Dashboard) -> dict[str, Any]:
    first = board.windows[0]
    return {"name": "window", "label": "Looked back over", "type": "custom", "query": ",".join(board.windows),
            "options": [{"text": each, "value": each, "selected": each == first} for each in board.windows],
            "current": {"text": first, "value": first}}


def _placed(board: Dashboard) -> Iterator[dict[str, Any]]:
    """Panels from left to right; a new line where the next does not fit."""
    number, y = 1, 0
    for section in board.sections:
        yield {"id": number, "type": "row", "title": section.title, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": y, "w": _WIDTH, "h": 1}}
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in section.panels:
            if x + panel.width > _WIDTH:
                x, y, height = 0, y + height, 0
            yield _panel(panel, number) | {"gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}}
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    range_wanted = panel.view is View.LINES
    targets = [{"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend,
                "range": range_wanted, "instant": not range_wanted,
                **({"format": "table"} if panel.view is View.TABLE else {})} for place, query in enumerate(panel.queries)]
    shown: dict[str, Any] = {
        "id": number, "type": str(panel.view), "title": panel.title, "description": _described(panel), "datasource": _SOURCE,
        "targets": targets, "fieldConfig": {"defaults": _defaults(panel), "overrides": []}, "options": _OPTIONS[panel.view]}
    if panel.matrix is not None:
        rows, columns = panel.matrix
        shown["transformations"] = [{"id": "groupingToMatrix", "options": {
            "rowField": rows, "columnField": columns, "valueField": "Value", "emptyValue": "zero"}}]
    return shown


def _described(panel: Panel) -> str:
    return panel.description if panel.may_be_empty is None else f"{panel.description}\n\nMay be empty: {panel.may_be_empty}."


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "color": {"mode": "palette-classic"}}
    if panel.unit == "percentunit":
        defaults |= {"min": 0, "max": 1, "decimals": 0}
    elif panel.unit.startswith("suffix: "):
        defaults |= {"min": 0, "decimals": 0}   # what Prometheus says of counts is worked out to the end of the window
    elif panel.view in (View.LINES, View.BARS):
        defaults |= {"min": 0}
    if panel.view is View.LINES:
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    return defaults


_REDUCED = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[View, dict[str, Any]] = {
    View.FIGURE: {"reduceOptions": _REDUCED, "colorMode": "none", "graphMode": "none", "textMode": "value_and_name"},
    View.LINES: {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"]},
                 "tooltip": {"mode": "multi", "sort": "desc"}},
    View.BARS: {"reduceOptions": _REDUCED, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True},
    View.TABLE: {"showHeader": True, "cellHeight": "sm"}}
