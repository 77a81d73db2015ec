"""A listener in front of a relay, as the gateway sets one up, with the least of a chain: a story and the envelope."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import orjson
from aiohttp import web

from gateway.dialects.openai import errors as dialect
from gateway.domain.caller import Caller
from gateway.domain.errors import GatewayError
from gateway.domain.target import RelayTarget
from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY, Story
from gateway.handlers.relay import RelayHandler
from gateway.jobs.breakers import Breakers
from gateway.jobs.settings import BreakerSettings
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi, OpenAiSettings
from gateway.routing.facts import Facts
from gateway.routing.rules import NOBODY
from gateway.stores.limits import MemoryLimits
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.relay import Relay
from tests.fakes.customer import NO_BREAKER
from tests.fakes.served import served

KEYS = ("sk-pool-one", "sk-pool-two")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def platform(base_url: str, keys: tuple[str, ...] = KEYS, name: str = "openai", **more: object) -> OpenAi:
    written = {"kind": "openai", "api_keys": keys, "base_url": base_url, **more}
    return OpenAi(name, OpenAiSettings.model_validate(written))


@dataclass
class Front:
    url: str
    port: int
    catalogue: Catalogue
    caller: Caller = NOBODY
    relays: Sequence[OpenAi] = ()
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    stories: list[Story] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def count(self, call: str, status: str) -> float:
        """How often `upstream_responses_total` counted this."""
        labels = {"platform": "openai", "call": call, "status": status}
        return self.catalogue.registry.get_sample_value("gateway_upstream_responses_total", labels) or 0

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A raw connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def raw(self, request: bytes) -> bytes:
        """Everything that comes back for these bytes until the connection ends; `ConnectionResetError` for a reset."""
        async with self.dial() as (reader, writer), asyncio.timeout(10):
            writer.write(request)
            return await reader.read()


def handler_of(relay: Relay, prefix: str = "") -> RelayHandler:
    """What relays, with breakers that never open."""
    breakers = Breakers(BreakerSettings.model_validate(NO_BREAKER), time.monotonic)
    limits = MemoryLimits(time.monotonic, time.time)
    return RelayHandler(relay, cast(Spool, None), breakers, limits, Catalogue(), lambda: 0.0, prefix)


@asynccontextmanager
async def front(routes: Callable[[Relay], list[web.RouteDef]], **times: float) -> AsyncIterator[Front]:
    catalogue = Catalogue()

    @web.middleware
    async def chain(request: web.Request, handler: Handler) -> web.StreamResponse:
        told = request[STORY] = Story("req_1")
        request[CALLER] = made.caller
        request[SNAPSHOT] = served(platforms=made.platforms, relays={relay.name: relay for relay in made.relays})
        request[FACTS] = Facts("relay")
        request[CANDIDATES] = tuple(RelayTarget(relay.name) for relay in made.relays)
        made.stories.append(told)
        try:
            return await handler(request)
        except GatewayError as fault:
            made.faults.append(fault)
            told.outcome = fault.code
            return web.Response(
                status=fault.status, body=orjson.dumps(dialect.envelope(fault)), headers=dialect.headers(fault)
            )
        except BaseException as fault:
            made.faults.append(fault)
            raise

    app = web.Application(middlewares=[chain])
    async with Relay(catalogue, **times) as relay:
        app.add_routes(routes(relay))
        runner = web.AppRunner(
            app, handler_cancellation=True, auto_decompress=False, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        made = Front(f"http://127.0.0.1:{port}", port, catalogue)
        try:
            yield made
        finally:
            await runner.cleanup()


async def nothing(_request: web.BaseRequest) -> None:
    """An `expect_handler` that answers nothing."""
