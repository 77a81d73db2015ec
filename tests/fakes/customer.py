"""A client that speaks HTTP and nothing more, to a gateway whose books are balanced afterwards."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from gateway.app import Gateway
from gateway.stores.results import SpoolResults
from tests.fakes.pictures import picture

IMAGE = picture()
RESEND = {"x-stainless-retry-count": "1"}
# `jobs.breaker` for tests in which a platform may fail as it likes.
NO_BREAKER = {"failures": 1000, "open_for": 0.001, "longest": 0.001}


async def until(condition: Callable[[], object], within_s: float = 1000.0) -> None:
    """Let everything else go on until the condition holds; `within_s` is on the loop's clock."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not condition():
        passed = clock() - began
        assert passed < within_s, "it did not happen"
        await asyncio.sleep(0.001 if passed < 1.0 else 0.1)


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def pictures(self) -> list[bytes]:
        assert self.status == 200, self.raw
        return [base64.b64decode(one["b64_json"]) for one in self.body["data"]]

    @property
    def error(self) -> Any:
        return self.body["error"]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, code, and what the client's retry logic is told."""
        return self.status, self.error["code"], self.headers["x-should-retry"]


class Customer:
    """Sends edits to one gateway."""

    def __init__(self, gateway: Gateway, client: aiohttp.ClientSession) -> None:
        self.gateway, self._client = gateway, client

    async def edit(self, prompt: str, *, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
        async with self.open(prompt, headers=headers, **fields) as response:
            return Reply(response.status, response.headers, await response.read())

    def open(
        self, prompt: str, *, headers: Mapping[str, str] | None = None, image: bytes = IMAGE, **fields: Any
    ) -> Any:
        """The answer as it comes."""
        form = aiohttp.FormData()
        form.add_field("image", image, filename="picture.png", content_type="image/png")
        for name, value in {"prompt": prompt, **fields}.items():
            form.add_field(name, str(value))
        return self._client.post(f"{self.gateway.url}/v1/images/edits", data=form, headers=headers)

    def begin(self, prompt: str, **fields: Any) -> asyncio.Task[Reply]:
        """The same in the background; cancelled, it cuts its connection."""
        return asyncio.create_task(self.edit(prompt, **fields))

    async def leave(self, *begun: asyncio.Task[Reply]) -> None:
        """Cut connections, and see the gateway notice."""
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        await until(lambda: self.metric("requests_in_flight") == 0)

    def metric(self, name: str, **labels: str) -> float:
        return self.gateway.metrics.registry.get_sample_value(f"gateway_{name}", labels) or 0.0

    @property
    def held(self) -> float:
        """Picture bytes in memory and on disk."""
        return self.metric("memory_budget_bytes", kind="held") + self.metric("spool_bytes")

    async def balance(self) -> None:
        """Once everything has ended and every result is past its time, nothing is held."""
        await until(lambda: self.metric("requests_in_flight") == 0)
        await self.gateway.supervisor.drain(0)
        if isinstance(self.gateway.results, SpoolResults):
            self.gateway.results._now = lambda: math.inf
            self.gateway.results.sweep()
        assert self.held == 0
        left = {found.job.id for found in await self.gateway.stores.ledger.unfinished()}
        assert {id.partition("/")[0] for id in self.gateway.limits.reserved()} <= left
        assert self.metric("submissions_active", platform="bfl", model="flux-kontext-pro") == 0
        assert self.metric("queue_depth", platform="bfl") == 0
