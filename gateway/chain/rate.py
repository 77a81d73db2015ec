"""A caller's requests per minute, counted before anything of a request is read."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.handlers.counted import count
from gateway.handlers.keys import CALLER, STORY
from gateway.stores.contract import Limits, Usage
from gateway.telemetry.catalogue import Catalogue

ONE = Usage(requests=1)


def rate(limits: Limits, catalogue: Catalogue) -> Middleware:
    """What a job uses besides is counted where it is started, for requests that join one use nothing more."""

    @web.middleware
    async def rate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request[CALLER].allowance.requests is not None:
            await count(request, limits, catalogue, request[STORY].id, ONE)
        return await handler(request)

    return rate
