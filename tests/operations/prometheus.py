"""A real Prometheus on this machine that scrapes one gateway every second."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.fakes.installed import installed
from tests.operations.promtool import RULES

# A scrape that takes longer leaves a gap, in which queries find nothing.
EVERY = "1s"
PATIENCE_S = 60.0


class Prometheus:
    """Its HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query. Raises: AssertionError with what Prometheus says of it."""
        async with self._session.post(f"{self._url}/api/v1/query", data={"query": expression}) as answer:
            told = await answer.json()
        assert told["status"] == "success", f"{expression}: {told.get('error')}"
        data = told["data"]
        assert data["resultType"] in ("vector", "scalar"), expression
        series: list[dict[str, Any]] = data["result"] if data["resultType"] == "vector" else [{"value": data["result"]}]
        return series

    async def numbers(self, expression: str) -> list[float]:
        """The values that are numbers; NaN and infinities draw nothing."""
        found = [float(series["value"][1]) for series in await self.query(expression)]
        return [value for value in found if math.isfinite(value)]

    async def until(self, expression: str) -> list[float]:
        """The first numbers that a query finds. Raises: AssertionError after `PATIENCE_S`."""
        ends = time.monotonic() + PATIENCE_S
        while not (found := await self.numbers(expression)):
            assert time.monotonic() < ends, f"still nothing: {expression}"
            await asyncio.sleep(0.05)
        return found

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self._url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def watching(gateway_admin: str, directory: Path) -> AsyncIterator[Prometheus]:
    """Prometheus with the rules of config/prometheus, scraping the admin listener at this URL; data in `directory`."""
    command = installed("prometheus")
    configuration = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(RULES / "*.yml")],
        "scrape_configs": [
            {"job_name": "gateway", "static_configs": [{"targets": [gateway_admin.removeprefix("http://")]}]}
        ],
    }
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(json.dumps(configuration))
    port = _free_port()
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                command,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=directory,
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(session, f"http://127.0.0.1:{port}")
            ends = time.monotonic() + PATIENCE_S
            while not await prometheus.ready():
                said = (directory / "prometheus.log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < ends, said
                await asyncio.sleep(0.05)
            yield prometheus
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    """Prometheus does not tell which port it took, so one that is free just now has to do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scrape_settings() -> dict[str, Any]:
    """What config/prometheus/prometheus.yml says."""
    told: dict[str, Any] = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    return told
