"""Deliveries gone wrong: pictures cut, mislabelled, oversized, compressed or dripping."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.emulator.fault_table import HTML
from gateway.emulator.faults import Armed
from gateway.emulator.mishaps import reset
from gateway.emulator.world import World

_HUGE = 100 * 1024 * 1024
_PIECE = bytes(256 * 1024)


async def deliver(
    armed: Armed, picture: bytes, headers: dict[str, str], request: web.Request, world: World
) -> web.StreamResponse:
    """The picture as the fault wants it."""
    half = picture[: len(picture) // 2]
    plain = {"Content-Type": headers["Content-Type"]}
    match armed.name:
        case "delivery_html":
            return web.Response(body=HTML, headers=plain)
        case "delivery_torn":
            return web.Response(body=half, headers=plain)
        case "delivery_gzip":
            return web.Response(body=gzip.compress(picture, 1), headers=plain | {"Content-Encoding": "gzip"})
        case "delivery_reset" | "delivery_short":
            response = await _stream(request, _once(half), headers | {"Content-Length": str(len(picture))})
            if armed.name == "delivery_reset":
                return reset(request)
            return _hang_up(request, response)
        case "delivery_unmarked_short":
            return await _stream(request, _once(half), plain, until_close=True)
        case "delivery_oversize":
            return await _stream(request, _zeros(picture, _bytes(armed)), plain, until_close=True)
        case "delivery_huge_length":
            length = _bytes(armed)
            return await _stream(request, _zeros(picture, length), plain | {"Content-Length": str(length)})
        case _:
            step, pause_s = (1, 0.1) if armed.name == "delivery_trickle" else (max(1, -(-len(picture) // 16)), 0.05)
            pieces = _drip(picture, step, float(armed.value or pause_s), world)
            return await _stream(request, pieces, headers | {"Content-Length": str(len(picture))})


async def _stream(
    request: web.Request, pieces: AsyncIterator[bytes], headers: dict[str, str], *, until_close: bool = False
) -> web.StreamResponse:
    """Write pieces under these headers; `until_close` marks the end by closing, as HTTP/1.0 did."""
    response = web.StreamResponse(headers=headers)
    if until_close:
        response.force_close()
        response.headers["Connection"] = "close"
    await response.prepare(request)
    async for piece in pieces:
        await response.write(piece)
    return response


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close in good order, whatever was promised."""
    if request.transport is not None:
        request.transport.close()
    return response


def _bytes(armed: Armed) -> int:
    return int(armed.value or _HUGE)


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


async def _zeros(head: bytes, total: int) -> AsyncIterator[bytes]:
    """The picture's own bytes first, so that its type looks right, then zeros."""
    yield head[:total]
    left = total - len(head)
    while left > 0:
        yield _PIECE[:left]
        left -= len(_PIECE)


async def _drip(picture: bytes, step: int, pause_s: float, world: World) -> AsyncIterator[bytes]:
    for start in range(0, len(picture), step):
        yield picture[start : start + step]
        await world.settings.sleep(pause_s)
