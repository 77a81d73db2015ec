"""Requests per minute: counted at the door, told on every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.app import Gateway
from gateway.chain import doorman
from gateway.chain.errors import errors
from gateway.chain.rate import rate
from gateway.chain.story import finish_headers, story
from gateway.dialects.openai.ratelimit import NAMES
from gateway.domain.caller import UNLIMITED, Allowance, Caller
from gateway.domain.errors import InvalidField, SpendReached
from gateway.domain.window import Window
from gateway.emulator.server import Emulator
from gateway.handlers.keys import CALLER, STORY
from gateway.stores.limits import MemoryLimits
from gateway.telemetry.catalogue import Catalogue
from tests.chain.conftest import Stage
from tests.conftest import StartGateway
from tests.fakes.customer import Customer
from tests.fakes.raw import Heard, exchange
from tests.fakes.served import served

GET = "GET /v1/thing HTTP/1.1"


class Door:
    """A chain of four around a handler, a clock that is set, and a caller that everybody is."""

    def __init__(self) -> None:
        self.time, self.caller = 0.0, Caller("ann", allowance=Allowance(requests=3))
        self.limits = MemoryLimits(lambda: self.time, lambda: 1.7e9 + self.time)
        self.stage = Stage("", Catalogue())

    async def ask(self) -> Heard:
        return await exchange(self.stage.url, GET)


Open = Callable[..., Awaitable[Door]]


@pytest.fixture
async def door() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> Door:
            door, ids = Door(), iter(range(1000))

            @web.middleware
            async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
                request[CALLER] = door.caller
                return await handler(request)

            chain = (
                story(lambda: door.time, lambda: f"req_{next(ids)}", served),
                errors,
                known,
                rate(door.limits, door.stage.catalogue),
            )
            app = web.Application(middlewares=chain)
            app.on_response_prepare.append(finish_headers)
            app.router.add_get("/v1/thing", handler)
            run = web.AppRunner(app)
            await run.setup()
            stack.push_async_callback(run.cleanup)
            await web.TCPSite(run, "127.0.0.1", 0).start()
            door.stage = Stage(f"http://127.0.0.1:{run.addresses[0][1]}", door.stage.catalogue)
            return door

        yield start


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


def told(heard: Heard) -> dict[str, str]:
    return {name: heard.headers[name] for name in NAMES if name in heard.headers}


def requests(limit: int, remaining: int, reset: str) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": reset,
    }


async def test_every_answer_says_how_the_limit_stands(door: Open) -> None:
    """Also the one that refuses, which says when to come again, and the first that is let through after it."""
    desk = await door(ok)
    assert told(await desk.ask()) == requests(3, 2, "1m0s")
    desk.time = 29.5
    await desk.ask()
    assert told(await desk.ask()) == requests(3, 0, "1m0s")
    desk.time = 31.109
    refused = await desk.ask()
    assert (refused.status, refused.error["code"], refused.error["type"]) == (
        429,
        "rate_limit_exceeded",
        "rate_limit_error",
    )
    assert refused.error["message"] == "This key may have 3 requests a minute. Try again in 29 s."
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("29", "true")
    assert told(refused) == requests(3, 0, "58.391s")
    assert desk.stage.value("limited_total", limit="requests") == 1
    desk.time = 31.109 + 29
    assert told(await desk.ask()) == requests(3, 0, "1m0s")


async def test_errors_of_the_handler_say_it_too(door: Open) -> None:
    """A refused request is a request."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise InvalidField("x", param="size")

    assert told(await (await door(handler)).ask()) == requests(3, 2, "1m0s")


async def test_windows_that_the_job_touched(door: Open) -> None:
    """On success from the story, on a refusal from the error; the platform's own numbers stay where we have none."""
    answers: list[web.Response | Exception] = [
        web.json_response({}, headers={"x-ratelimit-limit-requests": "9", "x-ratelimit-limit-tokens": "7"}),
        SpendReached("x", limit="credits-day", windows={"credits-day": Window(10, 0.5, 3600)}),
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        request[STORY].windows["images"] = Window(20, 19, 60)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk = await door(handler)
    heard = await desk.ask()
    assert heard.headers["x-ratelimit-remaining-images"] == "19" and heard.headers["x-ratelimit-limit-tokens"] == "7"
    assert heard.headers.getall("x-ratelimit-limit-requests") == ["3"]
    heard = await desk.ask()
    assert (heard.status, heard.headers["x-should-retry"]) == (429, "false")
    assert heard.headers["x-ratelimit-remaining-credits-day"] == "0.5"
    assert heard.headers["x-ratelimit-reset-credits-day"] == "1h0m0s"


@pytest.mark.parametrize("allowance", [UNLIMITED, Allowance(images=4, credits_day=1.0)])
async def test_callers_without_the_limit(door: Open, allowance: Allowance) -> None:
    """No headers, nothing kept."""
    desk = await door(ok)
    desk.caller = Caller("bob", allowance=allowance)
    assert told(await desk.ask()) == {}
    assert not desk.limits._accounts


async def test_a_limit_that_a_reload_changes(door: Open) -> None:
    """The next request meets the new one, with what was used before."""
    desk = await door(ok)
    await desk.ask()
    desk.caller = Caller("ann", allowance=Allowance(requests=1))
    assert (await desk.ask()).status == 429
    desk.caller = Caller("ann", allowance=Allowance(requests=5))
    assert told(await desk.ask()) == requests(5, 3, "1m0s")


async def test_through_the_whole_gateway(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit uses a request, its pictures and a job; a job that is refused says which limit, unpaid."""
    allowance = Allowance(requests=50, images=3, jobs=2, credits_day=500.0)
    monkeypatch.setattr(doorman, "LOCAL", Caller("local", allowance=allowance))
    customer = Customer(gateway := await start_gateway(bfl), client)
    reply = await customer.edit("make it blue", n=2)
    assert len(reply.pictures) == 2
    found = {name: reply.headers.get(f"x-ratelimit-remaining-{name}") for name in ("requests", "images", "jobs")}
    assert found == {"requests": "49", "images": "1", "jobs": "1"}
    reply = await customer.edit("make it red", n=2)
    assert reply.refusal == (429, "rate_limit_exceeded", "true")
    assert "3 images a minute" in reply.error["message"] and reply.headers["x-ratelimit-remaining-images"] == "1"
    assert bfl.counts.accepted == 2 and customer.metric("limited_total", limit="images") == 1
    await customer.balance()
    labels = {"platform": "bfl", "model": "flux-kontext-pro"}
    assert customer.metric("spent_credits_total", **labels) > 0
    assert_settled(gateway)


def assert_settled(gateway: Gateway) -> None:
    """Nothing is set aside any more."""
    assert not gateway.limits._open and not gateway.limits._accounts["local"].jobs
