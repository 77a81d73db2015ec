"""Webhook mode: no polling URL in the answer, the result by POST when it is over."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from .conftest import Client, Start

Call = tuple[Mapping[str, str], bytes]
Receiver = tuple[str, asyncio.Queue[Call]]


@pytest.fixture
async def receiver(aiohttp_server: AiohttpServer) -> Receiver:
    """A URL and the (headers, raw body) that arrive there."""
    calls: asyncio.Queue[Call] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        calls.put_nowait((request.headers, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", receive)
    server = await aiohttp_server(app)
    return str(server.make_url("/hook")), calls


async def test_the_result_is_posted_with_the_secret(client: Client, receiver: Receiver) -> None:
    """Answer without polling_url; then the poll's body, the plain secret in its header."""
    url, calls = receiver
    accepted = await client.submit("a", webhook_url=url, webhook_secret="s3")
    assert set(accepted) == {"id", "status", "webhook_url", "cost", "input_mp", "output_mp"}
    headers, raw = await asyncio.wait_for(calls.get(), 10)
    assert headers["X-Webhook-Secret"] == "s3"
    assert "X-BFL-Signature" not in headers
    assert "x-key" not in headers
    body = json.loads(raw)
    assert (body["id"], body["status"]) == (accepted["id"], "Ready")
    async with client.session.get(f"{client.bfl.api_url}/v1/get_result?id={body['id']}") as response:
        assert (response.status, (await response.json())["status"]) == (200, "Ready")


async def test_the_signature_is_behind_a_switch(start: Start, receiver: Receiver) -> None:
    """An HMAC of the raw body."""
    url, calls = receiver
    client = await start(webhook_signature=True)
    await client.submit("a [[fault:request_moderated]]", webhook_url=url, webhook_secret="s3")
    headers, raw = await asyncio.wait_for(calls.get(), 10)
    assert headers["X-BFL-Signature"] == "sha256=" + hmac.digest(b"s3", raw, hashlib.sha256).hex()
    async with asyncio.timeout(5):
        while client.bfl.counts.webhooks != {"204": 1}:
            await asyncio.sleep(0.01)


async def test_nobody_there_is_counted(client: Client) -> None:
    """A closed port does no harm."""
    await client.submit("a [[fault:request_moderated]]", webhook_url="http://127.0.0.1:9/hook")
    async with asyncio.timeout(5):
        while not client.bfl.counts.webhooks["unreachable"]:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("lost", []),
        ("twice", [True, True]),
        ("late", [True]),
        ("early", [True, True]),
        ("forged", [False, True]),
        ("garbage", [True, True]),
    ],
)
async def test_call_backs_go_wrong(client: Client, receiver: Receiver, fault: str, seen: list[bool]) -> None:
    """Each in its own way; the genuine ones show the secret."""
    url, calls = receiver
    prompt = f"a [[fault:webhook_{fault}]] [[fault:request_moderated]]"
    await client.submit(prompt, webhook_url=url, webhook_secret="s3")
    found = [(await asyncio.wait_for(calls.get(), 10))[0]["X-Webhook-Secret"] == "s3" for _ in seen]
    assert found == seen
    await asyncio.sleep(0.05)
    assert calls.empty()


async def test_what_is_not_taken_comes_again(client: Client, aiohttp_server: AiohttpServer) -> None:
    """Until it is."""
    answers = iter((500, 302, 204))

    async def receive(_request: web.Request) -> web.Response:
        return web.Response(status=next(answers))

    app = web.Application()
    app.router.add_post("/hook", receive)
    server = await aiohttp_server(app)
    await client.submit("a [[fault:request_moderated]]", webhook_url=str(server.make_url("/hook")))
    async with asyncio.timeout(5):
        while client.bfl.counts.webhooks != {"500": 1, "302": 1, "204": 1}:
            await asyncio.sleep(0.01)
