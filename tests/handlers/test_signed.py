"""Signed requests through the whole gateway: what nobody signed costs nothing, and reaches no platform whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.fakes.forms import BOUNDARY, edit_body
from tests.fakes.openai_server import fake_openai
from tests.fakes.raw import Heard, exchange, parse
from tests.fakes.signer import SECRET, body_mac

StartGateway = Callable[..., Awaitable[Gateway]]

SIGNED = {"secrets": [SECRET]}


async def edit(url: str, mac: str, body: bytes, *lines: str) -> Heard:
    return await exchange(
        url,
        "POST /v1/images/edits HTTP/1.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        f"X-Request-Signature: {mac}",
        *lines,
        body=body,
    )


async def test_an_unsigned_edit_is_not_paid_for(bfl: Emulator, start_gateway: StartGateway) -> None:
    """A form that is whole and right in itself is let go when its signature is not; signed, it is worked."""
    gateway = await start_gateway(bfl, signature=SIGNED)
    body = edit_body()
    refused = await edit(gateway.url, body_mac(body, "another"), body)
    assert (refused.status, refused.error["code"]) == (401, "invalid_signature")
    assert bfl.counts.accepted == 0
    assert gateway.metrics.registry.get_sample_value("gateway_memory_budget_bytes", {"kind": "held"}) == 0
    assert (await edit(gateway.url, body_mac(body), body)).status == 200
    assert bfl.counts.accepted == 1


async def test_an_invited_upload_is_verified_too(bfl: Emulator, start_gateway: StartGateway) -> None:
    """`Expect: 100-continue` changes nothing about what is signed."""
    gateway = await start_gateway(bfl, signature=SIGNED)
    body = edit_body()
    for mac, status in ((body_mac(body[:-1]), b"401"), (body_mac(body), b"200")):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
        writer.write(
            f"POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nExpect: 100-continue\r\n"
            f"X-Request-Signature: {mac}\r\n\r\n".encode()
        )
        assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3)
        writer.write(body)
        assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == status
        writer.transport.abort()


@pytest.mark.parametrize("model", ["flux-kontext-pro", "gpt-image-1"])
async def test_a_held_body_is_verified_before_it_goes_anywhere(
    bfl: Emulator, start_gateway: StartGateway, model: str
) -> None:
    """Where the model decides between translation and relay, neither begins with an unsigned one."""
    async with fake_openai() as openai:
        platforms: dict[str, Any] = {"openai": {"kind": "openai", "api_keys": ["sk-x"], "base_url": openai.url}}
        gateway = await start_gateway(bfl, platforms=platforms, routes={"edits": ["bfl", "openai"]}, signature=SIGNED)
        body = edit_body(model=model)
        assert (await edit(gateway.url, body_mac(body + b"x"), body)).status == 401
        assert (bfl.counts.accepted, openai.seen) == (0, [])
        assert (await edit(gateway.url, body_mac(body), body)).status == 200
        assert bfl.counts.accepted + len(openai.seen) == 1
        assert all(bytes(seen.body) == body for seen in openai.seen)


async def test_a_relayed_request_is_verified(start_gateway: StartGateway) -> None:
    """With a body and without, and the signature stays at the gateway."""
    async with fake_openai() as openai:
        platforms = {"openai": {"kind": "openai", "api_keys": ["sk-x"], "base_url": openai.url}}
        gateway = await start_gateway(platforms=platforms, signature=SIGNED)
        body = b'{"model": "gpt-x"}'
        post = ("POST /v1/chat/completions HTTP/1.1", f"Content-Length: {len(body)}")
        wrong, right = (f"X-Request-Signature: {body_mac(signed)}" for signed in (b"x", body))
        assert (await exchange(gateway.url, *post, wrong, body=body)).status == 401
        assert (await exchange(gateway.url, "GET /v1/files HTTP/1.1", wrong)).status == 401
        assert openai.seen == []
        assert (await exchange(gateway.url, *post, right, body=body)).status == 200
        empty = f"X-Request-Signature: {body_mac(b'')}"
        assert (await exchange(gateway.url, "GET /v1/files HTTP/1.1", empty)).status == 200
        assert [(seen.method, seen.all("X-Request-Signature")) for seen in openai.seen] == [("POST", []), ("GET", [])]


async def test_a_body_that_breaks_is_told_apart(start_gateway: StartGateway) -> None:
    """Chunks that stop making sense before anything could be verified: 400, and no platform hears of it."""
    async with fake_openai() as openai:
        platforms = {"openai": {"kind": "openai", "api_keys": ["sk-x"], "base_url": openai.url}}
        gateway = await start_gateway(platforms=platforms, signature=SIGNED)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
        writer.write(
            b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"X-Request-Signature: %b\r\n\r\n1\r\nx\r\n" % body_mac(b"x").encode()
        )
        await asyncio.sleep(0.05)
        writer.write(b"nonsense\r\n")
        heard = parse(await asyncio.wait_for(reader.read(), 5))
        assert (heard.status, heard.error["code"], openai.seen) == (400, "invalid_request", [])
