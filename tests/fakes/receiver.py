"""A server with one resource, and a client that writes raw bytes to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from gateway.chain.connection import Terms, listen, runner
from gateway.domain.caller import Caller
from gateway.handlers.body import leave_expect
from gateway.handlers.keys import CALLER


@asynccontextmanager
async def receiving(serve: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """Its port. `serve` handles POST /v1/images/edits, under the gateway's own connection rules."""

    async def known(request: web.Request) -> web.StreamResponse:
        request[CALLER] = Caller("ann")
        return await serve(request)

    app = web.Application()
    app.router.add_post("/v1/images/edits", known, expect_handler=leave_expect)
    async with listening(runner(app, Terms(linger_s=0.3, shutdown_s=0.1))) as port:
        yield port


@asynccontextmanager
async def listening(run: web.AppRunner) -> AsyncIterator[int]:
    """The port on which it listens meanwhile."""
    await run.setup()
    await listen(run, "127.0.0.1", 0)
    try:
        yield run.addresses[0][1]
    finally:
        await run.cleanup()


def request_head(length: int | None, content_type: str, **more: str) -> bytes:
    """Of a request; chunked when there is no length, without a type when it is empty."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"POST /v1/images/edits HTTP/1.1\r\nHost: a\r\n{kind}{framing}\r\n{lines}\r\n".encode()


async def ask(port: int, *sent: bytes, pause: float = 0.0) -> tuple[int, dict[str, Any]]:
    """Status and body of the first answer to bytes on a fresh connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return int(answer.split()[1]), orjson.loads(await reader.readexactly(length))
    finally:
        writer.transport.abort()
