"""What may serve this request, as far as path and headers tell."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.handlers.keys import CANDIDATES, SNAPSHOT, STORY
from gateway.routing.choose import choose
from gateway.routing.rules import Facts


@web.middleware
async def routing(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[CANDIDATES] = choose(request[SNAPSHOT].rules, Facts(request[STORY].route))
    return await handler(request)
