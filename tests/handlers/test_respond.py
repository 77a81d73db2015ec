"""Whole answers with their exact length; after the head nothing but the rest of it or a cut connection."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from yarl import URL

from gateway.domain.size import Pixels
from gateway.handlers import respond
from gateway.wire.body import Base64, JsonBody
from tests.fakes.raw import exchange, talk

GET = "GET / HTTP/1.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Bytes:
    """A blob of these bytes; with `fails_after` reading it breaks off there."""

    data: bytes
    fails_after: int | None = None
    media_type: str = "image/png"
    pixels: Pixels = field(default=Pixels(1, 1))
    orientation: int = 1
    digest: str = "0" * 64

    @property
    def length(self) -> int:
        return len(self.data)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        for at in range(0, len(self.data), 50_000):
            if self.fails_after is not None and at >= self.fails_after:
                raise OSError("the disk is gone")
            yield self.data[at : at + 50_000]

    def release(self) -> None: ...


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[str, list[BaseException]]]:
    """A bare server and what was raised in its handler, by which time the connection has to be closing."""
    raised: list[BaseException] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except BaseException as error:
            closing = request.transport is None or request.transport.is_closing()
            raised.append(error if closing else AssertionError("still open"))
            raise

    app = web.Application()
    app.router.add_get("/", noted)
    run = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await run.setup()
    await web.TCPSite(run, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{run.addresses[0][1]}", raised
    finally:
        await run.cleanup()


@pytest.mark.parametrize("size", [0, 1, 1000, respond.SMALL, 1_000_000])
async def test_a_whole_answer_has_its_exact_length(size: int) -> None:
    """Small ones in one piece, large ones as they are encoded; both as JSON, whole."""
    data = bytes(range(256)) * (size // 256 + 1)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await respond.whole(request, JsonBody({"a": Base64(Bytes(data[:size]))}), {"x-mine": "1"})

    async with served(handler) as (url, raised):
        heard = await exchange(url, GET)
    assert base64.b64decode(heard.json()["a"], validate=True) == data[:size]
    assert heard.headers["Content-Length"] == str(len(heard.rest))
    assert (heard.headers["Content-Type"], heard.headers["x-mine"]) == ("application/json", "1")
    assert "Transfer-Encoding" not in heard.headers
    assert not raised


async def test_a_fault_on_the_way_cuts_the_answer() -> None:
    """The client sees that it has not got all, whatever it was: nothing pretends to be an end."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await respond.whole(request, JsonBody({"a": Base64(Bytes(bytes(500_000), fails_after=200_000))}), {})

    async with served(handler) as (url, raised):
        answer = await talk(url, f"{GET}\r\nHost: x\r\n\r\n".encode())
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") or not answer
    assert len(rest) < 400_000
    with pytest.raises(ValueError, match=r"."):
        json.loads(rest)
    assert [type(error) for error in raised] == [OSError]


async def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds up is let go; it is told as a departed client."""
    monkeypatch.setattr(respond, "STALL_S", 0.1)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await respond.whole(request, JsonBody({"a": Base64(Bytes(bytes(30_000_000)))}), {})

    async with served(handler) as (url, raised):
        place = URL(url)
        _, writer = await asyncio.open_connection(place.host, place.port, limit=1024)
        writer.write(f"{GET}\r\nHost: x\r\n\r\n".encode())
        async with asyncio.timeout(5):
            while not raised:
                await asyncio.sleep(0.01)
        writer.transport.abort()
    assert isinstance(raised[0], ConnectionResetError)


async def test_a_slow_reader_that_goes_on_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on standing still, not on the whole."""
    monkeypatch.setattr(respond, "STALL_S", 0.3)
    data = bytes(8_000_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await respond.whole(request, JsonBody({"a": Base64(Bytes(data))}), {})

    async with served(handler) as (url, raised):
        place = URL(url)
        reader, writer = await asyncio.open_connection(place.host, place.port, limit=64 * 1024)
        writer.write(f"{GET}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got, begun = 0, time.monotonic()
        while piece := await reader.read(1_000_000):
            got += len(piece)
            await asyncio.sleep(0.02)
        writer.transport.abort()
    assert time.monotonic() - begun > respond.STALL_S
    assert got > len(data) * 4 // 3
    assert not raised
