"""Candidates by the route alone; the handler asks again when it knows the model."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.domain.target import JobTarget, RelayTarget, Target, Terms
from gateway.handlers.keys import CANDIDATES
from gateway.routing.rules import Offer, Rules
from tests.chain.conftest import Serve
from tests.fakes.raw import exchange

RULES = Rules({"thing": (Offer("bfl", "pro", {"pro": "pro"}, Terms({"seed": "1"})), Offer("openai"))})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("thing", (JobTarget("bfl", "pro", Terms({"seed": "1"})), RelayTarget("openai"))), ("other", ())],
)
async def test_a_route_has_its_candidates(serve: Serve, name: str, expected: tuple[Target, ...]) -> None:
    """In the order of the configuration; a route nobody configured has none."""
    found: list[tuple[Target, ...]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        found.append(request[CANDIDATES])
        return web.json_response({})

    stage = await serve(handler, name=name, rules=RULES)
    assert (await exchange(stage.url, "GET /v1/thing?model=other HTTP/1.1", "X-Model: other")).status == 200
    assert found == [expected]
