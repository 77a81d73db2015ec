"""How a fault is acted out on a connection: canned answers, resets, silence, redirects."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from gateway.emulator.fault_table import Act, Redirect, Reset, Say
from gateway.emulator.faults import Armed
from gateway.emulator.world import ORIGIN, World

STRAY_PATH = "/stray"


async def act_out(act: Act, armed: Armed, request: web.Request, world: World) -> web.StreamResponse:
    """The answer this fault gives, if it gives any."""
    if isinstance(act, Say):
        headers = {"Content-Type": act.content_type}
        if act.retry_after and armed.value is not None:
            headers["Retry-After"] = armed.value
        return web.Response(status=act.status, body=act.body, headers=headers)
    if isinstance(act, Redirect):
        return web.Response(status=act.status, headers={"Location": elsewhere(request, world)})
    if isinstance(act, Reset):
        if act.after:
            await _take(request, int(armed.value or act.after))
        return reset(request)
    return await stall(request, world)


def elsewhere(request: web.Request, world: World) -> str:
    """A URL on another origin than the one asked."""
    here = request.app[ORIGIN]
    return (world.origins.api if here == "delivery" else world.origins.delivery) + STRAY_PATH


def reset(request: web.Request) -> web.Response:
    """Cut the connection so that the client sees a TCP reset, not an orderly end."""
    transport = request.transport
    if transport is not None:
        endpoint: socket.socket | None = transport.get_extra_info("socket")
        if endpoint is not None:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _take(request: web.Request, count: int) -> None:
    """Read on until so many bytes of the body have come, or all of them."""
    while request.content.total_bytes < count and await request.content.readany():
        pass


async def stall(request: web.Request, world: World) -> web.Response:
    """Say nothing until the emulator closes or the client is gone."""
    while not world.closing.is_set() and request.transport is not None:
        try:
            await asyncio.wait_for(world.closing.wait(), 0.5)
        except TimeoutError:
            continue
    return reset(request)
