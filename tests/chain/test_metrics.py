"""Requests by route, outcome and final status; durations and steps by platform."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.domain.errors import Moderated, QueueFull
from gateway.handlers.keys import STORY
from tests.chain.conftest import Serve
from tests.fakes.raw import exchange

GET = "GET /v1/thing HTTP/1.1"


async def test_final_statuses_are_counted(serve: Serve) -> None:
    """What the client saw, not what was raised; every request once."""

    async def handler(request: web.Request) -> web.StreamResponse:
        match request.query_string:
            case "busy":
                raise QueueFull("x")
            case "refused":
                raise Moderated("x", stage="input", categories=())
            case "bug":
                raise RuntimeError
        return web.json_response({})

    stage = await serve(handler)
    for query in ("", "busy", "refused", "bug", ""):
        await exchange(stage.url, f"GET /v1/thing?{query} HTTP/1.1")
    await exchange(stage.url, "GET /nope HTTP/1.1")
    await exchange(stage.url, GET, "Host: evil.example")
    assert stage.requests() == {
        ("thing", "ok", "200"): 2,
        ("thing", "queue_full", "429"): 1,
        ("thing", "moderated", "400"): 1,
        ("thing", "internal_error", "500"): 1,
        ("unmatched", "not_found", "404"): 1,
        ("thing", "forbidden_origin", "403"): 1,
    }


async def test_time_is_taken_by_platform_and_step(serve: Serve) -> None:
    """The request's own steps only: those of a submission are timed where they happen."""

    async def handler(request: web.Request) -> web.StreamResponse:
        told = request[STORY]
        told.platform, told.model = "bfl", "flux-kontext-pro"
        told.steps |= {"admit": 0.5, "read": 1.0, "poll": 7.0, "reply": 2.0}
        return web.json_response({})

    stage = await serve(handler)
    await exchange(stage.url, GET)
    labels = {"route": "thing", "platform": "bfl", "outcome": "ok"}
    assert stage.value("request_duration_seconds_count", **labels) == 1
    assert 0 < stage.value("request_duration_seconds_sum", **labels) < 1
    sums = {
        step: stage.value("step_duration_seconds_sum", step=step, platform="bfl", model="flux-kontext-pro")
        for step in ("admit", "read", "poll", "reply")
    }
    assert sums == {"admit": 0.5, "read": 1.0, "poll": 0, "reply": 2.0}


async def test_requests_in_flight_come_and_go(serve: Serve) -> None:
    """The gauge is up while a handler works, and down whatever became of it."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.Request) -> web.StreamResponse:
        entered.set()
        await go_on.wait()
        raise RuntimeError

    stage = await serve(handler)
    running = asyncio.create_task(exchange(stage.url, GET))
    await asyncio.wait_for(entered.wait(), 3)
    assert stage.value("requests_in_flight") == 1
    go_on.set()
    assert (await running).status == 500
    assert stage.value("requests_in_flight") == 0
