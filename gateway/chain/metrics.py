"""Counts outcomes, not only statuses, and times whole requests."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.chain import Handler
from gateway.handlers.keys import STORY
from gateway.telemetry.catalogue import Catalogue


def metrics(catalogue: Catalogue, now: Callable[[], float]) -> Callable[[web.Request, Handler], object]:
    @web.middleware
    async def metrics(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = now(), "499"
        catalogue.in_flight.inc()
        try:
            response = await handler(request)
            status = str(response.status)
            return response
        finally:
            catalogue.in_flight.dec()
            told = request[STORY]
            outcome = "client_gone" if status == "499" else told.outcome
            catalogue.requests(told.route, outcome, status).inc()
            catalogue.request_duration(told.route, told.platform, outcome).observe(now() - started)
            if "admit" in told.steps:
                for word in ("admit", "read", "reply"):
                    if word in told.steps:
                        catalogue.step_duration(word, told.platform, told.model).observe(told.steps[word])

    return metrics
