"""Requests begin their work a few at a time, so that thousands at once keep nobody from being heard."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.turns import Turns
from gateway.handlers.keys import STORY

# An edit is a few milliseconds of work: together with these the loop still turns some thirty times a second.
EACH = 3
HEALTH = "healthz"


def admission(now: Callable[[], float]) -> Middleware:
    """Before anything costs: keys, limits and bodies are looked at in turn. `now` is monotonic."""
    turns = Turns(EACH)

    @web.middleware
    async def admission(request: web.Request, handler: Handler) -> web.StreamResponse:
        told, came = request[STORY], now()
        if told.route != HEALTH and await turns.wait():
            told.steps["admit"] = now() - came
        return await handler(request)

    return admission
