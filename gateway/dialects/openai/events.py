"""
The stream of an edit: server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html

A fault is nested under `error`: the official SDKs hand a flat one to the application as if it were a picture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from gateway.dialects.openai.errors import envelope
from gateway.domain.errors import GatewayError
from gateway.wire import render
from gateway.wire.body import JsonBody

KEEP_ALIVE = b": keep-alive\n\n"


async def event(kind: str, body: JsonBody) -> AsyncIterator[bytes]:
    """One event, its picture encoded while it is sent."""
    yield f"event: {kind}\ndata: ".encode()
    async for piece in render.stream(render.pieces(body)):
        yield piece
    yield b"\n\n"


def failure(error: GatewayError, code: str | None = None) -> bytes:
    return b"event: error\ndata: " + orjson.dumps({"type": "error", **envelope(error, code)}) + b"\n\n"
