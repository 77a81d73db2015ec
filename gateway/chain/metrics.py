"""Counts outcomes, not only statuses, and times whole requests."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.errors import NO_ANSWER
from gateway.handlers.keys import STORY
from gateway.telemetry.catalogue import Catalogue

# The other steps are timed where they happen, per submission.
OWN_STEPS = ("admit", "read", "reply")


def metrics(catalogue: Catalogue, now: Callable[[], float]) -> Middleware:
    @web.middleware
    async def metrics(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = now(), NO_ANSWER
        catalogue.in_flight.inc()
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            catalogue.in_flight.dec()
            told = request[STORY]
            catalogue.requests(told.route, told.outcome, str(status)).inc()
            catalogue.request_duration(told.route, told.platform, told.outcome).observe(now() - started)
            for word in OWN_STEPS:
                if word in told.steps:
                    catalogue.step_duration(word, told.platform, told.model).observe(told.steps[word])

    return metrics
