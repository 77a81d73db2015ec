"""Each request's id, its line in the log, and the headers that every answer has."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.errors import NO_ANSWER
from gateway.dialects.openai import ratelimit
from gateway.domain.notes import header
from gateway.handlers.keys import CALLER, SNAPSHOT, STORY, Snapshot, Story
from gateway.telemetry.catalogue import STEPS

log = structlog.get_logger("gateway.access")

# Version, trace and parent; a later version may have more: https://www.w3.org/TR/trace-context/#traceparent-header
_IDS = r"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
TRACEPARENT = re.compile(rf"(00-{_IDS})|((?!00|ff)[0-9a-f]{{2}}-{_IDS})(?:-.*)?")


def story(now: Callable[[], float], new_id: Callable[[], str], snapshot: Callable[[], Snapshot]) -> Middleware:
    """`now` is monotonic; `new_id` makes request ids; `snapshot` is what is in force, which the request then keeps."""

    @web.middleware
    async def story(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = now(), NO_ANSWER
        request[SNAPSHOT] = snapshot()
        resource = request.match_info.route.resource
        told = request[STORY] = Story(id=new_id(), route=(resource and resource.name) or "unmatched")
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            caller = request.get(CALLER)
            log.info(
                "request",
                id=told.id,
                client_id=_client_id(request),
                caller=caller.id if caller else None,
                method=request.method,
                route=told.route,
                status=status,
                outcome=told.outcome,
                platform=told.platform,
                model=told.model,
                job=told.job,
                replayed=told.replayed,
                **({"joined": told.joined} if told.joined else {}),
                **({"traceparent": trace} if (trace := _trace(request)) else {}),
                **({"attempts": told.attempts} if len(told.attempts) > 1 else {}),
                seconds=round(now() - started, 4),
                steps={word: round(spent, 4) for word, spent in told.steps.items()},
                **told.facts,
            )

    return story


def _client_id(request: web.Request) -> str | None:
    """The id a client gave its request, as far as it is one."""
    sent = request.headers.get("X-Client-Request-Id", "")
    return sent[:128] if sent and sent.isascii() and sent.isprintable() else None


def _trace(request: web.Request) -> str | None:
    """Which trace the client says it is part of. Anybody may write anything there: nothing goes by it."""
    sent = request.headers.getall("traceparent", ())
    found = TRACEPARENT.fullmatch(sent[0]) if len(sent) == 1 else None
    return (found[1] or found[2]) if found else None


async def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, streamed ones included, just before its head is sent."""
    headers = response.headers
    headers.pop("Server", None)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    if (told := request.get(STORY)) is None:
        return
    headers["x-request-id"] = told.id
    if told.platform != "-":
        headers["x-gateway-platform"] = told.target
    if len(told.attempts) > 1:
        headers["x-gateway-attempts"] = ", ".join(told.attempts)
    if said := header(told.notes):
        headers["x-gateway-translation"] = said
    if told.joined and not told.replayed:
        # Of two that asked at the same time both get the one's picture: whoever meant two is told.
        joined = f"request=joined({told.joined})"
        headers["x-gateway-translation"] = ", ".join(filter(None, (headers.get("x-gateway-translation"), joined)))
    if told.job is not None:
        headers["x-job-id"] = told.job
    if told.replayed:
        headers["Idempotent-Replayed"] = "true"
    # A relayed platform's own numbers give way to ours, limit by limit.
    headers.update(ratelimit.headers(told.windows))
    if timing := [f"{word};dur={told.steps[word] * 1000:.1f}" for word in STEPS if word in told.steps]:
        headers["Server-Timing"] = ", ".join(timing)
