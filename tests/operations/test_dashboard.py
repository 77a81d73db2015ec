"""The dashboard is what its code says, reads metrics that exist, and finds them in a Prometheus that saw real work."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from config.grafana import generate
from config.grafana.panels import ROWS, Panel
from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.telemetry.catalogue import Catalogue
from tests.fakes.forms import edit_form, key_settings
from tests.operations.known import recorded, stray_labels, strays
from tests.operations.prometheus import scrape_settings, watching
from tests.operations.promtool import ALERTS, RECORDING, ROOT, selectors

StartGateway = Callable[..., Awaitable[Gateway]]

KEY = "gw-dashboard-0123456789abcdef"
PANELS = [panel for panels in ROWS.values() for panel in panels]
EVERY_PANEL = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)


def filled(query: str) -> str:
    """A query as Grafana sends it."""
    values = {"job": "gateway", "instance": ".*", "platform": ".*", "__rate_interval": "1m"}
    text = re.sub(r"\$(\w+)", lambda found: values[found[1]], query)
    assert "$" not in text
    return text


async def work(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    """
    A picture, one with fields that are not sent, one that is asked for twice, a refusal, errors, a wrong key, and one
    that the second account makes.
    """
    bearer = {"Authorization": f"Bearer {KEY}"}

    async def edit(prompt: str, headers: dict[str, str] = bearer, **fields: Any) -> int:
        form = edit_form(prompt, **fields)
        async with session.post(f"{gateway.url}/v1/images/edits", data=form, headers=headers) as answer:
            await answer.read()
            return answer.status

    assert await edit("make it blue", quality="high") == 200
    for _ in range(2):
        assert await edit("make it red", bearer | {"Idempotency-Key": "the same"}) == 200
    assert await edit("[[fault:request_moderated]]") == 400
    assert await edit("[[fault:content_moderated]]") == 400
    assert await edit("[[fault:task_error=out of order]]") == 502
    assert await edit("make it green", {"Authorization": "Bearer wrong-0123456789abcdef"}) == 401
    assert await edit("[[fault:submit_402*1]]") == 200


async def test_every_query_finds_what_was_just_done(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Each panel, recording rule and alert is a query that Prometheus takes; what was just done shows in numbers."""
    spare = {"kind": "bfl", "api_key": "11111111-0000-4000-8000-000000000000", "base_url": bfl.api_url}
    gateway = await start_gateway(
        bfl,
        auth={"keys": key_settings(KEY)},
        platforms={"spare": spare},
        routes={"rules": [{"name": "all", "to": ["bfl", "spare"]}]},
    )
    # Some counters are born by their first event, and a rate needs a second one.
    await work(gateway, client)
    async with watching(gateway.admin_url, tmp_path) as prometheus:
        await prometheus.until("gateway_requests_total")
        await work(gateway, client)
        edits = 'gateway_requests_total{route="images.edits"}'
        await prometheus.until(f"sum({edits}) == 16 and sum(increase({edits}[1m])) > 0")
        await prometheus.until("count_over_time(gateway:unavailable:ratio_rate5m[1m]) > 0")
        await prometheus.until('gateway:faults:ratio_rate5m{blame="platform"} > 0')
        await prometheus.until("gateway:request_duration_seconds:p99_rate5m > 0")
        await prometheus.until("gateway_platform_credits")
        # Its subquery looks every five seconds by the clock.
        await prometheus.until("gateway:slots_saturated:avg5m")

        for panel in PANELS:
            for query in panel.queries.values():
                await prometheus.until(filled(query))
        for rule in RECORDING:
            await prometheus.until(rule["expr"])
        for rule in ALERTS:
            await prometheus.query(rule["expr"])
        # The numbers are those of the work: of sixteen requests two failed, by the platform; eight pictures were made.
        (blamed,) = await prometheus.until('gateway:faults:ratio_rate5m{blame="platform"}')
        assert 0.05 < blamed < 0.4
        assert await prometheus.until('gateway:faults:ratio_rate5m{blame="gateway"}') == [0]
        assert await prometheus.until("sum(gateway_images_total)") == [8]
        assert [rule["metric"]["alertname"] for rule in await prometheus.query("ALERTS")].count("GatewayDown") == 0


def test_the_file_is_current() -> None:
    """config/grafana/dashboards/gateway.json is what `make dashboard` writes."""
    assert generate.WRITTEN.read_text(encoding="utf-8") == generate.written(), "run `make dashboard`"


@EVERY_PANEL
def test_panels_read_metrics_that_exist(panel: Panel) -> None:
    """By names and labels that the catalogue or a recording rule has; legends too."""
    for legend, query in panel.queries.items():
        assert strays(query) == set()
        assert stray_labels(query) == set()
        shown = set(re.findall(r"{{(\w+)}}", legend))
        grouped = re.search(r"\bby \(([^)]*)\)", query)
        has = set(re.findall(r"\w+", grouped[1])) if grouped else _labels(query)
        assert shown <= has, f"{legend} shows nothing"


def _labels(query: str) -> set[str]:
    """Of what a query without grouping finds."""
    return {"job", "instance"}.union(*(recorded().get(name, set()) for name, _ in selectors(query)))


@EVERY_PANEL
def test_panels_say_what_they_tell(panel: Panel) -> None:
    """A title of its own, a sentence that explains it, a width that fits a row."""
    assert [other.title for other in PANELS].count(panel.title) == 1
    assert panel.tells.endswith(".")
    assert panel.width in (4, 8, 12)
    assert panel.kind in ("timeseries", "stat")
    assert 1 <= len(panel.queries) <= 3


def test_panels_do_not_overlap() -> None:
    """Every cell of the grid belongs to one panel, ids are given once, nothing reaches out of the grid."""
    panels = generate.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(generate.WIDE))


def test_every_catalogued_metric_is_used() -> None:
    """A metric that neither dashboard nor rules read is one that nobody looks at."""
    read = {
        name
        for expression in [
            *(query for panel in PANELS for query in panel.queries.values()),
            *(rule["expr"] for rule in (*RECORDING, *ALERTS)),
        ]
        for name, _ in selectors(expression)
    }
    for collector, names in Catalogue().registry._collector_to_names.items():
        assert not names or read & set(names), f"nobody looks at {collector}"


def test_variables_are_metrics_labels() -> None:
    """Choosing a job, an instance and a platform asks for series that exist."""
    for name, query in generate.VARIABLES.items():
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert found is not None
        assert found[2] == name
        assert strays(found[1]) == set()
    used = set(re.findall(r"\$(\w+)", " ".join(query for panel in PANELS for query in panel.queries.values())))
    assert used == {*generate.VARIABLES, "__rate_interval"}


def test_grafana_is_provisioned_with_it() -> None:
    """The data source is a Prometheus under the name that compose gives it, at the interval at which it scrapes."""
    folder = ROOT / "config/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scrape_settings()["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((folder / "dashboards/gateway.yml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert provider["options"]["path"] == "/var/lib/grafana-dashboards"
    assert json.loads(generate.WRITTEN.read_text())["uid"] == "image-gateway"
