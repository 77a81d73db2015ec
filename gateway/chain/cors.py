"""Browsers of configured origins; nothing at all when none is configured."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.hdrs import METH_OPTIONS

from gateway.chain import Handler

EXPOSED = (
    "x-request-id, x-job-id, x-should-retry, x-gateway-translation, x-gateway-platform, retry-after, "
    "idempotent-replayed"
)


def cors(origins: frozenset[str]) -> Callable[[web.Request, Handler], object]:
    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin not in origins or request.method != METH_OPTIONS:
            return await handler(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*")[:1024],
                "Access-Control-Max-Age": "600",
            },
        )

    return cors


def allow_origin(origins: frozenset[str]) -> Callable[[web.Request, web.StreamResponse], object]:
    """A response signal: the headers that let a configured origin read the answer."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"
            response.headers["Access-Control-Expose-Headers"] = EXPOSED

    return allow
