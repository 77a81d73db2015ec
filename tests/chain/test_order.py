"""The chain in its order, and why each neighbour stands where it stands."""

from __future__ import annotations

import time

from aiohttp import web

from gateway.chain.order import chained
from gateway.domain.errors import InvalidField
from gateway.handlers.keys import CANDIDATES, STORY
from gateway.stores.limits import MemoryLimits
from gateway.telemetry.catalogue import Catalogue
from tests.chain.conftest import Serve, doorkeeping
from tests.fakes.forms import key_settings
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange
from tests.fakes.served import served

GET = "GET /v1/thing HTTP/1.1"


def test_the_order() -> None:
    """Outermost first; nothing appends later."""
    door, clock = doorkeeping(), time.monotonic
    app = chained(
        served,
        lambda: door,
        Catalogue(),
        limits=MemoryLimits(clock, time.time),
        now=clock,
        wall=clock,
        new_id=lambda: "x",
    )
    names = [middleware.__name__ for middleware in app.middlewares]  # type: ignore[attr-defined]
    assert names == [
        "story",
        "metrics",
        "errors",
        "admission",
        "cors",
        "clients",
        "auth",
        "signed",
        "rate",
        "moderation",
        "routing",
    ]


async def test_a_refusal_never_reaches_the_handler(serve: Serve) -> None:
    """Neither what it would choose nor what it would do: the chain ends at the door."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise AssertionError

    with logbook() as book:
        stage = await serve(handler, keys=key_settings("gw-a-key-of-the-tests"))
        assert (await exchange(stage.url, GET)).status == 401
    assert book.request["outcome"] == "invalid_api_key"
    assert stage.requests() == {("thing", "invalid_api_key", "401"): 1}


async def test_a_handler_finds_what_the_chain_promises(serve: Serve) -> None:
    """A story and candidates, and a fault of its own comes out as an answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request[STORY].id == "req_0"
        assert request[CANDIDATES] == ()
        raise InvalidField("x", param="size")

    assert (await exchange((await serve(handler)).url, GET)).error["param"] == "size"
