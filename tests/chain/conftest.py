"""The real chain on a real socket, around whatever handler a test wants to see inside of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from aiohttp.typedefs import Handler

from gateway.chain.connection import Terms, listen, runner
from gateway.chain.doorman import Doorkeeping
from gateway.chain.order import chained
from gateway.chain.settings import AuthSettings, ClientSettings, SignatureSettings
from gateway.handlers.body import leave_expect
from gateway.routing.rules import Rules
from gateway.stores.limits import MemoryLimits
from gateway.telemetry.catalogue import Catalogue
from tests.fakes.served import served


def doorkeeping(
    clients: Mapping[str, Any] | None = None, signature: Mapping[str, Any] | None = None, prefix: str = "", **auth: Any
) -> Doorkeeping:
    """What the door goes by, from the keys of a configuration."""
    return Doorkeeping.of(
        AuthSettings.model_validate(auth),
        ClientSettings.model_validate(clients or {}),
        SignatureSettings.model_validate(signature or {}),
        prefix=prefix,
    )


@dataclass(frozen=True)
class Stage:
    """`doors` is what the door went by; the last one is in force."""

    url: str
    catalogue: Catalogue
    doors: list[Doorkeeping] = field(default_factory=list)

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
    `await serve(handler, path="/v1/thing", name="thing", method="*", rules=…, moderation_code=…, **doors)` → Stage.

    `doors` are the arguments of `doorkeeping`; `now` and `wall` are clocks, real ones unless given.
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
            now: Callable[[], float] = time.monotonic,
            wall: Callable[[], float] = time.time,
            **doors: Any,
        ) -> Stage:
            catalogue, ids, kept = Catalogue(), count(), [doorkeeping(**doors)]
            snapshot = served(rules=rules or Rules({}), moderation_code=moderation_code)
            app = chained(
                lambda: snapshot,
                lambda: kept[-1],
                catalogue,
                limits=MemoryLimits(time.monotonic, time.time),
                prefix=prefix,
                now=now,
                wall=wall,
                new_id=lambda: str(next(ids)),
            )
            app.router.add_resource(path, name=name).add_route(method, handler, expect_handler=leave_expect)
            run = runner(app, Terms(linger_s=0.2, shutdown_s=0.1))
            await run.setup()
            stack.push_async_callback(run.cleanup)
            await listen(run, "127.0.0.1", 0)
            return Stage(f"http://127.0.0.1:{run.addresses[0][1]}", catalogue, kept)

        yield start
