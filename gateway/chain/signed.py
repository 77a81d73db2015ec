"""
Signed requests. What has no body is verified here; what has one is verified by whoever reads it.

Closed where nobody does: a body that was never read makes no answer.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.auth import is_open
from gateway.chain.replays import Replays
from gateway.chain.signature import HEADER, SignaturePolicy
from gateway.domain.errors import BadSignature
from gateway.handlers.duty import DUTY

# Whoever serves another method may act on the head alone, before it has read a byte of what was signed.
WITH_BODY = frozenset({"PATCH", "POST", "PUT"})


def signed(policy: Callable[[], SignaturePolicy], replays: Replays, wall: Callable[[], float]) -> Middleware:
    """`policy` is the one in force, asked for each request; `wall` is wall time."""

    @web.middleware
    async def signed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_open(request):
            return await handler(request)
        duty = policy().duty(
            request.headers.getall(HEADER, ()), request.method, request.raw_path, wall(), replays.claim
        )
        if duty is None:
            return await handler(request)
        if not request.body_exists:
            duty.verify()
        elif request.method not in WITH_BODY:
            raise BadSignature(f"A signed {request.method} has no body here.")
        request[DUTY] = duty
        response = await handler(request)
        if not duty.fulfilled and not response.prepared:
            raise BadSignature(f"{HEADER} could not be verified: nothing at this path reads a body.")
        return response

    return signed
