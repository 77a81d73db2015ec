"""Browsers of configured origins; nothing at all when none is configured."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.hdrs import METH_OPTIONS
from aiohttp.typedefs import Handler, Middleware

from gateway.dialects.openai import ratelimit

EXPOSED = ", ".join(
    (
        "x-request-id, x-upstream-request-id, x-job-id, x-should-retry, x-gateway-platform, x-gateway-attempts, "
        "x-gateway-translation, x-gateway-queue-ms, retry-after, idempotent-replayed, server-timing",
        *ratelimit.NAMES,
    )
)
NAMES = re.compile(r"[A-Za-z0-9_, -]{1,1024}", re.ASCII)


def cors(origins: Callable[[], frozenset[str]]) -> Middleware:
    """Answers preflights, which carry no key, of the origins in force. https://fetch.spec.whatwg.org/#http-cors-protocol"""

    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        preflight = request.method == METH_OPTIONS and "Access-Control-Request-Method" in request.headers
        if not preflight or request.headers.get("Origin") not in origins():
            return await handler(request)
        names = request.headers.get("Access-Control-Request-Headers", "")
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
                "Access-Control-Allow-Headers": names if NAMES.fullmatch(names) else "Authorization, Content-Type",
                "Access-Control-Max-Age": "600",
            },
        )

    return cors


def allow_origin(
    origins: Callable[[], frozenset[str]],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A response signal: the headers that let a configured origin, and no other, read the answer."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        if not (allowed := origins()):
            return
        response.headers.add("Vary", "Origin")
        if (origin := request.headers.get("Origin")) in allowed:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Expose-Headers"] = EXPOSED

    return allow
