"""A refusal is an outcome: answered here, so that nothing further out takes it for a fault of anybody's."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.chain.errors import answer
from gateway.domain.errors import Moderated
from gateway.handlers.keys import SNAPSHOT


@web.middleware
async def moderation(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Moderated as refusal:
        return answer(request, refusal, request[SNAPSHOT].moderation_code)
