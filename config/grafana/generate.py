"""
The dashboard, as code: `make dashboard` writes dashboards/gateway.json of the panels in panels.py.

Grafana's own model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.grafana.panels import ROWS, Panel

WRITTEN = Path(__file__).parent / "dashboards" / "gateway.json"

WIDE, HIGH = 24, 8
SOURCE = {"type": "prometheus", "uid": "${source}"}

VARIABLES: dict[str, str] = {
    "job": "label_values(gateway_build_info, job)",
    "instance": 'label_values(gateway_build_info{job="$job"}, instance)',
    "platform": 'label_values(gateway_step_duration_seconds_count{job="$job"}, platform)',
}


def dashboard() -> dict[str, Any]:
    """The whole of it, as Grafana reads it."""
    return {
        "uid": "image-gateway",
        "title": "Image gateway",
        "description": "Made by `make dashboard` from config/grafana/generate.py; change it there.",
        "tags": ["image-gateway"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": list(_variables())},
        "annotations": {"list": [_alerts()]},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, query in VARIABLES.items():
        many = name != "job"
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            # When the time range changes, so that yesterday's instances are there to choose.
            "refresh": 2,
            "sort": 1,
            "multi": many,
            "includeAll": many,
            "allValue": ".*" if many else None,
            "current": {"text": "All", "value": "$__all"} if many else {},
        }


def _alerts() -> dict[str, Any]:
    """Alerts that fire are drawn into every picture."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Gateway.*", alertstate="firing", job="$job"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{platform}} {{model}}",
    }


def _panels() -> Iterator[dict[str, Any]]:
    """Rows from top to bottom, their panels from left to right."""
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "gridPos": _at(0, y, WIDE, 1),
            "collapsed": False,
            "panels": [],
        }
        x, y = 0, y + 1
        for panel in panels:
            if x + panel.width > WIDE:
                x, y = 0, y + HIGH
            number += 1
            yield {"id": number, "gridPos": _at(x, y, panel.width, HIGH), **_panel(panel)}
            x += panel.width
        y += HIGH


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    series = panel.kind == "timeseries"
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": _thresholds(panel.limits)}
    if series:
        defaults |= {"min": 0, "custom": _drawn(panel)}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.tells,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _of_series() if series else _of_number(),
    }


def _thresholds(limits: tuple[float, float] | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if limits is not None:
        steps += [{"color": "yellow", "value": limits[0]}, {"color": "red", "value": limits[1]}]
    return {"mode": "absolute", "steps": steps}


def _drawn(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
    }


def _of_series() -> dict[str, Any]:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _of_number() -> dict[str, Any]:
    return {
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }


def written() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(written(), encoding="utf-8")
