"""Dashboards as a few plain parts, and how they become Grafana's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

SOURCE = {"type": "prometheus", "uid": "lianban-prometheus"}
WIDTH = 24
"""Columns of Grafana's grid."""

Kind = Literal["timeseries", "stat", "bargauge", "table"]
Unit = Literal["short", "s", "bytes", "percentunit", "reqps", "ops", "dateTimeAsIso", "none"]


@dataclass(frozen=True)
class Panel:
    """One panel: its queries with their legends, and how it looks."""

    title: str
    unit: Unit
    queries: tuple[tuple[str, str], ...]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 7
    what: str = ""
    """What a reader should know, shown on the panel's corner."""
    bad_from: float | None = None
    """From this value on it is shown red."""
    bad_below: float | None = None
    """Below this value it is shown red."""
    stacked: bool = False
    words: tuple[tuple[int, str], ...] = ()
    """Words in place of numbers."""
    names: tuple[tuple[str, str], ...] = ()
    """What is shown in place of a legend that is a code."""


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label."""

    name: str
    title: str
    metric: str
    label: str
    several: bool = True


@dataclass(frozen=True)
class Row:
    """A heading with its panels."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard; ``uid`` is its file's name and the end of its address."""

    uid: str
    title: str
    what: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


def render(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.what,
        "tags": ["lianban"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "Asia/Shanghai",
        "links": [{"type": "dashboards", "tags": ["lianban"], "title": "Lianban", "asDropdown": True}],
        "templating": {"list": [_variable(variable) for variable in dashboard.variables]},
        "annotations": {"list": []},
        "panels": list(_panels(dashboard)),
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for row in dashboard.rows:
        yield {
            "id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        }  # fmt: skip
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height})
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    now = panel.kind in ("stat", "bargauge", "table")
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend,
                "instant": now, "range": not now, "format": "table" if panel.kind == "table" else "time_series",
            }
            for index, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": [_renamed(code, name) for code, name in panel.names]},
        "options": _options(panel),
    }  # fmt: skip


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    if panel.bad_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.bad_below}]
    field: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.words:
        words = {str(value): {"text": text, "index": index} for index, (value, text) in enumerate(panel.words)}
        field["mappings"] = [{"type": "value", "options": words}]
    if panel.kind == "timeseries":
        field["min"] = 0
        field["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "off" if panel.bad_from is None else "line"},
        }
    return field


def _renamed(code: str, name: str) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": code},
        "properties": [{"id": "displayName", "value": name}],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "table":
        return {"showHeader": True}
    shown: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}}
    if panel.kind == "bargauge":
        return shown | {"orientation": "horizontal", "displayMode": "basic"}
    return shown | {"colorMode": "background", "graphMode": "none", "textMode": "auto"}


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.metric}, {variable.label})"
    everything = {"text": "All", "value": "$__all"}
    return {
        "name": variable.name,
        "label": variable.title,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "values"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": variable.several,
        "includeAll": variable.several,
        "current": everything if variable.several else {},
    }
