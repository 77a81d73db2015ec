"""
Whole answers and streams of events. After `prepare` no status can change: it comes when the pictures and the length are
known, and what fails later cuts the connection instead of pretending an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType

from aiohttp import web

from gateway.wire import render
from gateway.wire.body import JsonBody

# A reader that takes nothing for this long is gone, or means harm.
STALL_S = 30.0
SMALL = 64 * 1024


async def whole(request: web.Request, body: JsonBody, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send a described body with its exact length. Raises: ConnectionError when the client does not take it."""
    parts = render.pieces(body)
    length = render.length(parts)
    response = web.StreamResponse(headers=headers)
    response.content_type = "application/json"
    response.content_length = length
    async with sending(request, response) as timer:
        if length <= SMALL:
            await response.write(b"".join([piece async for piece in render.stream(parts)]))
        else:
            await pour(response, render.stream(parts), timer)
        await response.write_eof()
    return response


async def pour(response: web.StreamResponse, pieces: AsyncIterator[bytes], timer: asyncio.Timeout) -> None:
    """Write the pieces as fast as the client takes them."""
    loop = asyncio.get_running_loop()
    async for piece in pieces:
        await response.write(piece)
        timer.reschedule(loop.time() + STALL_S)


class sending:
    """Prepares the answer; inside, a stalled reader or any failure cuts the connection."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request, self._response = request, response
        self._timer = asyncio.timeout(STALL_S)

    async def __aenter__(self) -> asyncio.Timeout:
        await self._response.prepare(self._request)
        return await self._timer.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and (transport := self._request.transport) is not None:
            transport.abort()
        try:
            await self._timer.__aexit__(kind, error, trace)
        except TimeoutError:
            raise ConnectionResetError("the client took nothing for too long") from error
