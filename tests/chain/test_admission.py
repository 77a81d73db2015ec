"""Requests begin in turn, and none that is slow afterwards keeps the others out."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.chain.admission import admission
from gateway.chain.turns import Turns
from gateway.domain.errors import TooSlow
from gateway.handlers.body import Body, Pace
from gateway.handlers.keys import STORY, Story
from tests.chain.conftest import Serve
from tests.fakes.customer import until
from tests.fakes.raw import exchange

SLOW = b"POST /v1/thing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx"


async def test_slow_uploads_hold_no_place(serve: Serve) -> None:
    """With one turn for all, twenty that send next to nothing are in, and the next one is served."""
    inside = 0

    async def read(request: web.Request) -> web.StreamResponse:
        nonlocal inside
        inside += 1
        body = Body(request, 2_000_000, Pace(stall_s=600, grace_s=600))
        try:
            return web.Response(text=str(len(b"".join([piece async for piece in body.pieces()]))))
        except TooSlow:
            raise AssertionError from None

    stage = await serve(read)
    port = int(stage.url.rsplit(":", 1)[1])
    slow = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(20)]
    for writer in slow:
        writer.write(SLOW)
    await until(lambda: inside == 20)
    heard = await exchange(stage.url, "POST /v1/thing HTTP/1.1", "Content-Length: 3", body=b"abc")
    assert (heard.status, heard.rest) == (200, b"3")
    for writer in slow:
        writer.transport.abort()


async def test_the_wait_is_told() -> None:
    """As a part of the step `admit`, of those who had to; a probe never has to."""
    now, turns = [0.0], Turns(1)
    middleware = admission(turns, lambda: now[0])

    async def ok(_request: web.Request) -> web.StreamResponse:
        return web.Response()

    requests = [make_mocked_request("GET", "/") for _ in range(3)]
    for request, route in zip(requests, ("job", "job", "healthz"), strict=True):
        request[STORY] = Story(id="req_test", route=route)
    tasks = [asyncio.ensure_future(middleware(request, ok)) for request in requests]
    await asyncio.sleep(0)
    now[0] = 4.0
    await asyncio.gather(*tasks)
    assert [request[STORY].steps for request in requests] == [{}, {"admit": 4.0}, {}]


async def test_who_leaves_the_line_is_told_apart(serve: Serve) -> None:
    """As a client that has gone, not as a fault."""
    entered = asyncio.Event()

    async def never(_request: web.Request) -> web.StreamResponse:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    stage = await serve(never)
    port = int(stage.url.rsplit(":", 1)[1])
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
    for _, writer in streams:
        writer.write(b"GET /v1/thing HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await entered.wait()
    for _, writer in streams:
        writer.transport.abort()
    await until(lambda: stage.value("requests_in_flight") == 0)
    assert {outcome for _, outcome, _ in stage.requests()} == {"client_gone"}
