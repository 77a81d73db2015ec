"""Each request's id, its line in the log, and the headers that every answer has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from gateway.chain import Handler
from gateway.handlers.keys import CALLER, STORY, Story
from gateway.telemetry.catalogue import STEPS

log = structlog.get_logger("gateway.access")


@dataclass(frozen=True, slots=True)
class StoryMiddleware:
    """`now` is monotonic; `new_id` makes request ids; `routes` names the resources, for labels."""

    now: Callable[[], float]
    new_id: Callable[[], str]

    def wrap(self) -> Callable[[web.Request, Handler], object]:
        @web.middleware
        async def story(request: web.Request, handler: Handler) -> web.StreamResponse:
            started = self.now()
            resource = request.match_info.route.resource
            told = request[STORY] = Story(id=self.new_id(), route=(resource and resource.name) or "unmatched")
            status = 499
            try:
                response = await handler(request)
                status = response.status
                return response
            finally:
                caller = request.get(CALLER)
                log.info(
                    "request",
                    id=told.id,
                    client_id=request.headers.get("X-Client-Request-Id", "")[:128] or None,
                    caller=caller.id if caller else None,
                    method=request.method,
                    route=told.route,
                    status=status,
                    outcome=told.outcome if status != 499 else "client_gone",
                    platform=told.platform,
                    model=told.model,
                    seconds=round(self.now() - started, 4),
                    steps={word: round(spent, 4) for word, spent in told.steps.items()},
                    **told.facts,
                )

        return story


async def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, streamed ones included, just before its head is sent."""
    headers = response.headers
    headers.pop("Server", None)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    if (told := request.get(STORY)) is not None:
        headers["x-request-id"] = told.id
        if told.steps:
            headers["Server-Timing"] = ", ".join(f"{word};dur={told.steps[word] * 1000:.1f}" for word in STEPS if word in told.steps)
