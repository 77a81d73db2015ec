"""The real chain on a real socket, around whatever handler a test wants to see inside of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.chain.connection import Terms, runner
from gateway.chain.order import chained
from gateway.chain.settings import AuthSettings
from gateway.handlers.body import leave_expect
from gateway.routing.rules import Rules
from gateway.telemetry.catalogue import Catalogue


@dataclass(frozen=True)
class Stage:
    url: str
    catalogue: Catalogue

    def value(self, name: str, **labels: str) -> float:
        """A sample's value, 0 when there is no such series."""
        return self.catalogue.registry.get_sample_value(f"gateway_{name}", labels) or 0

    def requests(self) -> dict[tuple[str, str, str], float]:
        """`requests_total` by route, outcome and status, without the series that stand at 0."""
        return {
            (sample.labels["route"], sample.labels["outcome"], sample.labels["status"]): sample.value
            for metric in self.catalogue.registry.collect()
            for sample in metric.samples
            if sample.name == "gateway_requests_total" and sample.value
        }


Serve = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """
    `await serve(handler, path="/v1/thing", name="thing", method="*", rules=…, moderation_code=…, **auth)` → Stage.

    Request ids are req_0, req_1 and so on.
    """
    async with AsyncExitStack() as stack:

        async def start(
            handler: Handler,
            *,
            path: str = "/v1/thing",
            name: str = "thing",
            method: str = "*",
            rules: Rules | None = None,
            moderation_code: str = "moderation_blocked",
            prefix: str = "",
            **auth: Any,
        ) -> Stage:
            catalogue, ids = Catalogue(), count()
            app = chained(
                AuthSettings.model_validate(auth),
                rules or Rules(),
                catalogue,
                moderation_code=moderation_code,
                prefix=prefix,
                now=time.monotonic,
                new_id=lambda: str(next(ids)),
            )
            app.router.add_resource(path, name=name).add_route(method, handler, expect_handler=leave_expect)
            run = runner(app, Terms(linger_s=0.2, shutdown_s=0.1))
            await run.setup()
            stack.push_async_callback(run.cleanup)
            await web.TCPSite(run, "127.0.0.1", 0).start()
            return Stage(f"http://127.0.0.1:{run.addresses[0][1]}", catalogue)

        yield start
