"""What is relayed, and what never leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import orjson
import pytest
from aiohttp import web

from gateway.domain.errors import InvalidRequest, NotFound
from gateway.handlers.relay import rest_of
from gateway.upstream.relay import Relay
from tests.fakes.openai_server import FakeOpenAi, answer, cut, fake_openai
from tests.fakes.relay_front import Front, front, handler_of, nothing, platform


@asynccontextmanager
async def served(base_url: str | None, prefix: str = "") -> AsyncIterator[Front]:
    """The handler on every method below `{prefix}/v1/`; without a base URL no platform is configured."""

    def routes(relay: Relay) -> list[web.RouteDef]:
        handler = handler_of(relay, prefix)
        return [web.route("*", prefix + "/v1/{rest:.*}", handler.__call__, expect_handler=nothing)]

    async with front(routes) as made:
        made.relays = [platform(base_url)] if base_url else []
        yield made


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


async def test_prefix_stands_for_the_base_url(upstream: FakeOpenAi) -> None:
    """What follows the public `/v1` follows the platform's base URL, wherever the gateway is mounted."""
    async with served(upstream.url, "/images/gw") as gateway, aiohttp.ClientSession() as session:
        response = await session.post(gateway.url + "/images/gw/v1/chat/completions?a=1", data=b"x")
        assert response.status == 200
    assert upstream.seen[0].target == "/v1/chat/completions?a=1"


async def test_whole_address_in_the_request_names_no_host(upstream: FakeOpenAi) -> None:
    """A request for `http://elsewhere/v1/x` goes to the platform."""
    async with served(upstream.url) as gateway:
        await gateway.raw(b"GET http://elsewhere.example/v1/x?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert upstream.seen[0].target == "/v1/x?q"


async def test_without_a_platform_the_missing_key_is_named() -> None:
    """404 that says what is missing and what is served, in the envelope."""
    async with served(None) as gateway, aiohttp.ClientSession() as session:
        response = await session.post(gateway.url + "/v1/chat/completions", json={})
        error = orjson.loads(await response.read())["error"]
    assert (response.status, error["code"]) == (404, "platform_not_configured")
    assert "OPENAI_API_KEY" in error["message"] and "/v1/images/edits" in error["message"]
    assert gateway.count("relay", "0") == 0


@pytest.mark.parametrize(
    "rest",
    [
        "..", "../admin", "a/../../admin", "a/..", "./a", "a/.", "%2e%2e/admin", "%2E%2e/admin", ".%2e/admin",
        "a%2f..%2fadmin", "a/%252e%252e/admin", "a/%25252E./b", "..\\admin", "a\\..\\b", "a%5c..%5cb", "a/..;x/b",
        "a/..%3bx", "..?a", "..#a", "a/..%255cb", "a/.\udcff./b", "a/\u00e9",
    ],
)  # fmt: skip
def test_paths_that_could_lead_out_are_refused(rest: str) -> None:
    """Dot segments in any spelling, and bytes that would vanish on the way."""
    with pytest.raises(InvalidRequest):
        rest_of(f"/v1/{rest}", "/v1")


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "a",
        "a?x=../..",
        "a/...",
        "...",
        "a..b/c",
        ".well-known",
        "a/.b",
        "//a",
        "a/%2e%2e%2e",
        "a?b=%2e%2e/",
        "a%2fb",
    ],
)
def test_other_paths_are_kept(rest: str) -> None:
    """Dots within names, and anything in a query, are left alone."""
    assert rest_of(f"/v1/{rest}", "/v1") == rest
    assert rest_of(f"HTTPS://x.example:1/v1/{rest}", "/v1") == rest


@pytest.mark.parametrize("target", ["/v1", "/v2/x", "/v1x/y", "/%761/x", "*", "x.example:443", "http://x.example", ""])
def test_other_targets_are_not_found(target: str) -> None:
    """Only what literally starts with the prefix is relayed."""
    with pytest.raises(NotFound):
        rest_of(target, "/v1")


@pytest.mark.parametrize("unit", ["%25", "%2525", "/%25", "..", "/..a", "%2f.", "%2f", "%252e"])
def test_path_check_is_quick(unit: str) -> None:
    """The longest path that a listener takes is checked in an instant, whatever it is made of."""
    path, took = "/v1/x" + unit * (8000 // len(unit)) + "x", []
    for _ in range(5):
        began = time.thread_time()  # of the processor, whoever else wants it
        with suppress(InvalidRequest):
            rest_of(path, "/v1")
        took.append(time.thread_time() - began)
    assert min(took) < 0.05


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_methods_that_would_show_the_key_are_refused(upstream: FakeOpenAi, method: str) -> None:
    """TRACE would echo the platform's key to the client."""
    async with served(upstream.url) as gateway:
        got = await gateway.raw(f"{method} /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    assert not upstream.seen and not got.startswith(b"HTTP/1.1 2")


async def test_expectation_is_met_when_the_platform_is_reached(upstream: FakeOpenAi) -> None:
    """`Expect: 100-continue`: the client is told to go on, once, and then gets its answer."""
    async with served(upstream.url) as gateway, gateway.dial() as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert bytes(upstream.seen[0].body) == b"abc" and upstream.seen[0].all("Expect") == []


@pytest.mark.parametrize(
    ("expectation", "reachable", "status"), [("100-continue", False, b"502"), ("wonders", True, b"417")]
)
async def test_upload_is_spared(upstream: FakeOpenAi, expectation: str, reachable: bool, status: bytes) -> None:
    """A client that waits is told no at once: without a platform to send it to, or when it expects what nobody does."""
    async with (
        served(upstream.url if reachable else "http://127.0.0.1:9/v1") as gateway,
        gateway.dial() as (reader, writer),
        asyncio.timeout(5),
    ):
        writer.write(f"POST /v1/x HTTP/1.1\r\nHost: h\r\nExpect: {expectation}\r\nContent-Length: 3\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 " + status)
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "ok"), (302, "ok"), (400, "invalid_request"), (404, "invalid_request"), (401, "platform_auth_failed"),
        (429, "platform_busy"), (500, "platform_error"), (503, "platform_error"),
    ],
)  # fmt: skip
async def test_story_tells_platform_and_outcome(upstream: FakeOpenAi, status: int, outcome: str) -> None:
    """The access line and the metrics know who answered and how it ended, in words of a closed set."""
    upstream.play(answer({}, status))
    async with served(upstream.url) as gateway, aiohttp.ClientSession() as session:
        await session.get(gateway.url + "/v1/x", allow_redirects=False)
    assert (gateway.stories[0].platform, gateway.stories[0].outcome) == ("openai", outcome)


async def test_story_tells_of_a_broken_answer(upstream: FakeOpenAi) -> None:
    """A 200 that was cut is not counted as a success."""
    upstream.play(cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
    async with served(upstream.url) as gateway:
        await gateway.raw(b"GET /v1/x HTTP/1.1\r\nHost: h\r\n\r\n")
    assert gateway.stories[0].outcome == "platform_answer_lost"
