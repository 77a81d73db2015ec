"""A gateway with three platforms behind it: two accounts at BFL, each an emulator of its own, and an OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from tests.fakes.customer import NO_BREAKER, Customer, Reply
from tests.fakes.openai_server import FakeOpenAi, Script, answer, fake_openai
from tests.fakes.pictures import picture

# What the tests' OpenAI makes.
PICTURES = answer({"created": 1, "data": [{"b64_json": "UE5H"}]})
# FLUX.2 wants 64 pixels a side.
PICTURE = picture(96, 64)
# `jobs`: long enough for everything else, on the tests' clock.
PATIENCE = {"patience": 20, "breaker": NO_BREAKER}
# A port that nobody listens on.
NOWHERE = "http://127.0.0.1:9"


class Company(Customer):
    """
    A client of that gateway, with a picture that every model takes. `bfl` and `spare` are the emulators, `openai` keeps
    what came.
    """

    bfl: Emulator
    spare: Emulator
    openai: FakeOpenAi

    def open(self, prompt: str, *, image: bytes = PICTURE, **more: Any) -> Any:
        return super().open(prompt, image=image, **more)

    async def post(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Reply:
        """A JSON body to a path below /v1."""
        async with self._client.post(f"{self.gateway.url}/v1/{path}", json=body, headers=headers) as response:
            return Reply(response.status, response.headers, await response.read())

    @property
    def accepted(self) -> tuple[int, int]:
        """How many tasks the two accounts have been paid for."""
        return self.bfl.counts.accepted, self.spare.counts.accepted

    def fallbacks(self, platform: str, reason: str, route: str = "images.edits") -> float:
        return self.metric("fallbacks_total", route=route, platform=platform, reason=reason)


@asynccontextmanager
async def company(
    start_gateway: Any,
    client: aiohttp.ClientSession,
    bfl: Emulator,
    to: list[Any],
    *scripts: Script,
    speed: float = 100.0,
    platforms: dict[str, dict[str, Any]] | None = None,
    rule: dict[str, Any] | None = None,
    **keys: Any,
) -> AsyncIterator[Company]:
    """
    One rule leads everything to `to`; `rule` adds to it. `platforms` adds to the accounts' settings by id, and OpenAI
    plays the scripts. Its books are balanced at the end.
    """
    more = platforms or {}
    async with Emulator(EmulatorSettings(speed=speed)) as spare, fake_openai(*(scripts or (PICTURES,))) as openai:
        account = {"kind": "bfl", "api_key": "11111111-0000-4000-8000-000000000000", "base_url": spare.api_url}
        relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        gateway = await start_gateway(
            bfl,
            platform=more.get("bfl"),
            platforms={"spare": account | more.get("spare", {}), "openai": relay | more.get("openai", {})},
            routes={"rules": [{"name": "all", "to": to, **(rule or {})}]},
            **keys,
        )
        customer = Company(gateway, client)
        customer.bfl, customer.spare, customer.openai = bfl, spare, openai
        yield customer
        await customer.balance()
        assert bfl.counts.leaked_keys == spare.counts.leaked_keys == 0
