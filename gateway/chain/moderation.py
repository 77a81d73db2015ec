"""A refusal is an outcome: counted apart, never a fault of a platform."""

from __future__ import annotations

from aiohttp import web

from gateway.chain import Handler
from gateway.domain.errors import Moderated
from gateway.handlers.keys import STORY


@web.middleware
async def moderation(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Moderated as refusal:
        request[STORY].facts |= {"moderation_stage": refusal.stage, "categories": list(refusal.categories)}
        raise
