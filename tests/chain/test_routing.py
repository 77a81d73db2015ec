"""Facts and candidates by path, caller and headers; the handler asks again when it knows the body."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from gateway.domain.target import JobTarget, RelayTarget, Target
from gateway.handlers.keys import CANDIDATES, FACTS
from gateway.routing.facts import Facts
from gateway.routing.rules import Rules
from tests.chain.conftest import Serve
from tests.fakes.raw import exchange
from tests.routing.house import rules

RULES = rules(
    {"edits": ["bfl", "openai"], "rules": [{"name": "team", "match": {"header": {"X-Team": "a*"}}, "to": ["openai"]}]}
)
PRO, MAX, OPENAI = JobTarget("bfl", "kontext-pro"), JobTarget("bfl", "kontext-max"), RelayTarget("openai")


async def seen(serve: Serve, target: str, *headers: str, **where: Any) -> tuple[Facts, tuple[Target, ...]]:
    """What the handler behind the chain finds."""
    found: list[tuple[Facts, tuple[Target, ...]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        found.append((request[FACTS], request[CANDIDATES]))
        return web.json_response({})

    stage = await serve(handler, **where)
    assert (await exchange(stage.url, f"GET {target} HTTP/1.1", *headers)).status == 200
    [one] = found
    return one


@pytest.mark.parametrize(
    ("name", "expected"), [("images.edits", [PRO, MAX, OPENAI]), ("relay", [OPENAI]), ("healthz", [])]
)
async def test_a_route_has_its_candidates(serve: Serve, name: str, expected: list[Target]) -> None:
    """In the order of the configuration; a path of the gateway's own has none."""
    facts, targets = await seen(serve, "/v1/thing?model=other", name=name, rules=RULES)
    assert [(type(target), target.platform, target.model) for target in targets] == [
        (type(target), target.platform, target.model) for target in expected
    ]
    assert (facts.route, facts.path, facts.model, facts.read) == (name, "/v1/thing", None, False)


async def test_headers_count(serve: Serve) -> None:
    """A rule may ask for one."""
    _, targets = await seen(serve, "/v1/thing", "x-team: alpha", name="images.edits", rules=RULES)
    assert [target.platform for target in targets] == ["openai"]


@pytest.mark.parametrize(
    ("path", "told", "model"),
    [
        ("/v1/images/edits", "/v1/images/edits", None),
        ("/openai/v1/images/edits?api-version=1", "/v1/images/edits", None),
        ("/openai/deployments/my%20own/images/generations?api-version=1", "/v1/images/generations", "my own"),
    ],
)
async def test_the_prefix_and_azure_spellings_are_taken_off(
    serve: Serve, path: str, told: str, model: str | None
) -> None:
    """Rules are written for `/v1/…`; Azure's deployment is the client's word for the model."""
    facts, _ = await seen(serve, f"/ai{path}", path="/ai/{rest:.*}", prefix="/ai", rules=Rules())
    assert (facts.path, facts.model) == (told, model)
