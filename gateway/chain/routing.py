"""What may serve this request, as far as path and headers tell."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.chain import Handler
from gateway.handlers.keys import CANDIDATES, STORY
from gateway.routing.choose import choose
from gateway.routing.rules import Facts, Rules


def routing(rules: Rules) -> Callable[[web.Request, Handler], object]:
    @web.middleware
    async def routing(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CANDIDATES] = choose(rules, Facts(request[STORY].route))
        return await handler(request)

    return routing
