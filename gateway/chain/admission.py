"""Requests begin their work a few at a time, so that thousands at once keep nobody from being heard."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.turns import Turns
from gateway.handlers.keys import STORY

HEALTH = "healthz"


def admission(turns: Turns, now: Callable[[], float]) -> Middleware:
    """Before anything costs: keys, limits and bodies are looked at in turn. `now` is monotonic."""

    @web.middleware
    async def admission(request: web.Request, handler: Handler) -> web.StreamResponse:
        told, came = request[STORY], now()
        if told.route != HEALTH and await turns.wait():
            told.steps["admit"] = now() - came
        return await handler(request)

    return admission
