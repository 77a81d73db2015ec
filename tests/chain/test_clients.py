"""Addresses and programs that are served: lists from the file, judged by where a request really comes from."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from gateway.chain.address import read_address
from gateway.chain.clients import ClientLists
from gateway.chain.settings import ClientSettings
from gateway.domain.errors import ForbiddenClient
from tests.chain.conftest import Serve, doorkeeping
from tests.fakes.forms import key_settings
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange

GET = "GET /v1/thing HTTP/1.1"
PROXIED = {"trusted_proxies": ["127.0.0.1"]}


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.json_response({})


def served(address: str | None, agent: str = "", **settings: Any) -> bool:
    try:
        ClientLists.of(ClientSettings.model_validate(settings)).check(read_address(address), agent)
    except ForbiddenClient:
        return False
    return True


@pytest.mark.parametrize(
    ("address", "settings", "expected"),
    [
        ("8.8.8.8", {}, True),
        ("8.8.8.8", {"allow": ["8.8.8.0/24"]}, True),
        ("8.8.9.8", {"allow": ["8.8.8.0/24"]}, False),
        ("8.8.8.8", {"deny": ["8.8.8.8"]}, False),
        ("8.8.8.8", {"allow": ["0.0.0.0/0"], "deny": ["8.8.8.8"]}, False),
        ("::ffff:8.8.8.8", {"deny": ["8.8.8.8"]}, False),
        ("8.8.8.8", {"deny": ["::ffff:8.8.8.8"]}, False),
        ("2001:db8::1", {"allow": ["0.0.0.0/0"]}, False),
        ("2001:db8::1", {"allow": ["2001:db8::/32"]}, True),
        (None, {"allow": ["0.0.0.0/0", "::/0"]}, False),
        (None, {"deny": ["0.0.0.0/0"]}, True),
    ],
)
def test_addresses(address: str | None, settings: dict[str, Any], expected: bool) -> None:
    """An empty list of those served is everybody; who is refused is so whatever the other list says."""
    assert served(address, **settings) == expected


@pytest.mark.parametrize(
    ("agent", "settings", "expected"),
    [
        ("OpenAI/Python 3.54.0", {"agents_allow": ["openai/*"]}, True),
        ("curl/8.1", {"agents_allow": ["OpenAI/*", "CURL/8.?"]}, True),
        ("curl/8.10", {"agents_allow": ["OpenAI/*", "curl/8.?"]}, False),
        ("", {"agents_allow": ["OpenAI/*"]}, False),
        ("", {"agents_allow": ["*"]}, True),
        ("python-requests/2", {"agents_deny": ["*requests*"]}, False),
        ("OpenAI/1 requests", {"agents_allow": ["OpenAI/*"], "agents_deny": ["*requests*"]}, False),
        ("a\nb", {"agents_deny": ["a*b"]}, False),
        ("x" * 8000 + "!", {"agents_deny": ["*x" * 100 + "*"]}, False),
    ],
)
def test_programs(agent: str, settings: dict[str, Any], expected: bool) -> None:
    """Globs over the whole name, in any case, at no risk from long names."""
    assert served("8.8.8.8", agent, **settings) == expected


async def test_a_refused_client_learns_no_more(serve: Serve) -> None:
    """403 before the key is looked at, on every path but health, and the log says who it was."""
    with logbook() as book:
        stage = await serve(ok, keys=key_settings("gw-a-key-of-the-tests"), clients={"deny": ["127.0.0.1"]})
        for lines in ((), ("Authorization: Bearer gw-a-key-of-the-tests",)):
            heard = await exchange(stage.url, GET, *lines)
            assert (heard.status, heard.error["code"]) == (403, "forbidden_client")
            assert heard.headers["x-should-retry"] == "false"
        assert (await exchange(stage.url, "GET /nowhere HTTP/1.1")).status == 403
    assert [line["client"] for line in book.requests] == ["127.0.0.1"] * 3


async def test_health_is_open_to_everybody(serve: Serve) -> None:
    """A load balancer stands in no list."""
    stage = await serve(ok, path="/healthz", name="healthz", clients={"deny": ["127.0.0.1"], "agents_allow": ["x"]})
    assert (await exchange(stage.url, "GET /healthz HTTP/1.1")).status == 200


async def test_a_trusted_proxy_says_who_asks(serve: Serve) -> None:
    """All lines of the header count, and what the client wrote itself does not."""
    with logbook() as book:
        stage = await serve(ok, keys=key_settings("k"), clients={**PROXIED, "deny": ["8.8.8.8"]})
        refused = await exchange(stage.url, GET, "X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 8.8.8.8")
        served = await exchange(stage.url, GET, "Authorization: Bearer k", "X-Forwarded-For: 8.8.8.8, 9.9.9.9")
    assert (refused.status, served.status) == (403, 200)
    assert [line["client"] for line in book.requests] == ["8.8.8.8", "9.9.9.9"]


async def test_a_stranger_forwards_for_nobody(serve: Serve) -> None:
    """Without trusted proxies the header is ignored, by whatever name."""
    with logbook() as book:
        stage = await serve(ok, keys=key_settings("k"), clients={"deny": ["8.8.8.8"], "allow": ["127.0.0.0/8"]})
        for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            assert (await exchange(stage.url, GET, "Authorization: Bearer k", f"{name}: 8.8.8.8")).status == 200
    assert {line["client"] for line in book.requests} == {"127.0.0.1"}


async def test_new_lists_are_in_force_at_once(serve: Serve) -> None:
    """The next request is judged by them."""
    stage = await serve(ok)
    assert (await exchange(stage.url, GET)).status == 200
    stage.doors.append(doorkeeping(clients={"deny": ["127.0.0.0/8"]}))
    assert (await exchange(stage.url, GET)).status == 403
