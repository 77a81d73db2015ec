"""The list of models: the gateway's own, and OpenAI's when it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.caller import Caller
from gateway.handlers.models import UNDATED, ModelsHandler
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.openai import OpenAi
from gateway.routing.rules import NOBODY
from gateway.upstream.relay import Relay
from tests.fakes.openai_server import FakeOpenAi, Script, answer, body, cut, fake_openai, silence
from tests.fakes.relay_front import KEYS, Front, front, handler_of, platform

OWN = ("flux-kontext-pro", "flux-kontext-max", "flux1_kontext")
ENTRIES = [{"id": name, "object": "model", "created": UNDATED, "owned_by": "black-forest-labs"} for name in OWN]
GPT = {"id": "gpt-image-2", "object": "model", "created": 5, "owned_by": "system", "shutdown_date": None}


@asynccontextmanager
async def served(
    *relays: OpenAi | str | None, within_s: float = 3, caller: Caller = NOBODY
) -> AsyncIterator[tuple[Front, aiohttp.ClientSession]]:
    """A text is the base URL of `openai`."""
    built = [platform(relay) if isinstance(relay, str) else relay for relay in relays if relay]
    bfl = Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": "k"}))

    def routes(relay: Relay) -> list[web.RouteDef]:
        models = ModelsHandler(handler_of(relay), within_s=within_s)
        return [web.get("/v1/models", models.list), web.get("/v1/models/{id:.+}", models.one)]

    async with front(routes) as gateway, aiohttp.ClientSession(gateway.url) as session:
        gateway.caller, gateway.relays, gateway.platforms = caller, built, {"bfl": bfl}
        yield gateway, session


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


async def test_own_models_are_listed_without_openai() -> None:
    """Names and aliases, each as OpenAI writes a model."""
    async with served(None) as (_, session), session.get("/v1/models") as response:
        assert await response.json() == {"object": "list", "data": ENTRIES}
        assert response.headers["Content-Type"] == "application/json"


async def test_openais_models_follow_the_own(upstream: FakeOpenAi) -> None:
    """Both lists in one; a name that is in both is the gateway's; entries keep fields nobody here knows."""
    upstream.play(answer({"object": "list", "data": [GPT, {"id": "flux1_kontext", "owned_by": "impostor"}]}))
    async with served(upstream.url) as (gateway, session), session.get("/v1/models") as response:
        assert await response.json() == {"object": "list", "data": [*ENTRIES, GPT]}
    seen = upstream.seen[0]
    assert (seen.method, seen.target, seen.one("Authorization")) == ("GET", "/v1/models", f"Bearer {KEYS[0]}")
    assert gateway.stories[0].facts == {} and gateway.count("ask", "200") == 1


@pytest.mark.parametrize(
    "script",
    [
        answer({"error": {}}, 401),
        answer({"data": None}),
        answer({"data": [1]}),
        answer({"data": [{"id": 1}, {}]}),
        answer([]),
        answer({}, 302, [("Location", "/v1/elsewhere")]),
        body(b"<html>"),
        cut(b""),
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
        answer({"object": "list", "data": [GPT], "more": "x" * 1024 * 1024}),
    ],
)
async def test_openais_faults_leave_the_own_list(upstream: FakeOpenAi, script: Script) -> None:
    """Whatever OpenAI answers, the list comes, and the log says what is missing from it."""
    upstream.play(script)
    async with served(upstream.url) as (gateway, session), session.get("/v1/models") as response:
        assert (response.status, await response.json()) == (200, {"object": "list", "data": ENTRIES})
    assert str(gateway.stories[0].facts["models_missing"]).startswith("openai: ")
    assert KEYS[0] not in str(gateway.stories[0].facts)


async def test_openai_is_not_waited_for(upstream: FakeOpenAi) -> None:
    """A silent OpenAI costs a moment, and its connection is closed."""
    upstream.play(silence())
    async with served(upstream.url, within_s=0.1) as (_, session), asyncio.timeout(2):
        async with session.get("/v1/models") as response:
            assert await response.json() == {"object": "list", "data": ENTRIES}
        await upstream.until(lambda fake: fake.open == 0)


@pytest.mark.parametrize("base", [None, "http://127.0.0.1:9/v1"])
async def test_own_model_is_answered_here(base: str | None) -> None:
    """A model of the gateway's own needs no OpenAI, reachable or not."""
    async with served(base) as (_, session), session.get("/v1/models/flux1_kontext") as response:
        assert (response.status, await response.json()) == (200, ENTRIES[2])


async def test_unknown_model_is_not_found() -> None:
    """404 `model_not_found` in the envelope."""
    async with served(None) as (_, session), session.get("/v1/models/gpt-image-2") as response:
        error = (await response.json(content_type=None))["error"]
    assert (response.status, error["code"], error["param"]) == (404, "model_not_found", "model")


async def test_unknown_model_is_openais_to_know(upstream: FakeOpenAi) -> None:
    """With OpenAI configured the question is relayed, name byte for byte, and its answer with it."""
    upstream.play(answer(GPT), answer({"error": {"code": "model_not_found"}}, 404))
    async with served(upstream.url) as (_, session):
        async with session.get("/v1/models/ft:gpt-4o:org::a%2Fb") as response:
            assert await response.json() == GPT
        async with session.get("/v1/models/none") as response:
            assert response.status == 404
    assert upstream.seen[0].target in ("/v1/models/ft:gpt-4o:org::a%2Fb", "/v1/models/ft:gpt-4o:org::a/b")


class TestWhatTheCallerMayUse:
    """A key that is limited to models sees those, and no others."""

    CALLER = Caller("a", models=("flux1_*", "gpt-image-2"))

    async def test_the_list(self, upstream: FakeOpenAi) -> None:
        """One name of a model allows all of its names; OpenAI's list is filtered too."""
        upstream.play(answer({"object": "list", "data": [GPT, {"id": "gpt-4o"}, {"id": "flux-kontext-max"}]}))
        async with served(upstream.url, caller=self.CALLER) as (_, session), session.get("/v1/models") as response:
            listed = [entry["id"] for entry in (await response.json())["data"]]
        assert listed == ["flux-kontext-pro", "flux1_kontext", "gpt-image-2"]

    async def test_one_model(self, upstream: FakeOpenAi) -> None:
        """What it may not use is not found, whoever serves it, and nobody is asked."""
        upstream.play(answer(GPT))
        async with served(upstream.url, caller=self.CALLER) as (_, session):
            statuses = {}
            for name in ("flux-kontext-pro", "flux-kontext-max", "gpt-image-2", "gpt-4o"):
                async with session.get(f"/v1/models/{name}") as response:
                    statuses[name] = response.status
        assert statuses == {"flux-kontext-pro": 200, "flux-kontext-max": 404, "gpt-image-2": 200, "gpt-4o": 404}
        assert len(upstream.seen) == 1


class TestSeveralRelays:
    """More than one platform that speaks OpenAI."""

    async def test_lists_are_joined(self, upstream: FakeOpenAi) -> None:
        """In the order of the configuration, first what it says itself; the silent one is told."""
        upstream.play(answer({"object": "list", "data": [GPT, {"id": "own-1"}]}))
        known = platform("http://127.0.0.1:9/v1", name="down", models=("own-1",), aliases={"pictures": "own-1"})
        async with served(known, upstream.url) as (gateway, session), session.get("/v1/models") as response:
            entries = (await response.json())["data"]
        assert entries[len(ENTRIES) :] == [
            {"id": "own-1", "object": "model", "created": UNDATED, "owned_by": "down"},
            {"id": "pictures", "object": "model", "created": UNDATED, "owned_by": "down"},
            GPT,
        ]
        assert str(gateway.stories[0].facts["models_missing"]).startswith("down: ")

    async def test_each_is_asked_for_a_model(self, upstream: FakeOpenAi) -> None:
        """Until one has it; when none does, the first one's own answer."""
        missing = answer({"error": {"code": "model_not_found"}}, 404)
        async with fake_openai() as second:
            upstream.play(missing, missing, missing)
            second.play(answer(GPT), missing)
            relays = (platform(upstream.url, name="one"), platform(second.url, name="two"))
            async with served(*relays) as (_, session):
                async with session.get("/v1/models/gpt-image-2") as response:
                    assert (response.status, await response.json()) == (200, GPT)
                async with session.get("/v1/models/gpt-image-3") as response:
                    assert response.status == 404
