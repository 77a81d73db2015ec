"""Every fault becomes OpenAI's envelope here, whatever raised it; once an answer has begun it is cut off instead."""

from __future__ import annotations

import asyncio

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.dialects.openai import errors as dialect
from gateway.domain.errors import GatewayError, InternalError, MethodNotAllowed, NotFound, Paid, TooLarge
from gateway.handlers.keys import STORY

log = structlog.get_logger("gateway.errors")

CLIENT_GONE = "client_gone"
# In logs and metrics only: whatever was sent before, the client has no whole answer.
NO_ANSWER = 499


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except asyncio.CancelledError:
        request[STORY].outcome = CLIENT_GONE
        raise
    except GatewayError as error:
        return answer(request, error)
    except web.HTTPException as error:
        return answer(request, _foreign(request, error))
    except Exception as error:
        if isinstance(error, ConnectionError) and _begun(request):
            request[STORY].outcome = CLIENT_GONE
            return _cut(request)
        log.exception("unhandled", id=request[STORY].id)
        text = "The gateway failed. The request id leads to the details in its log."
        return answer(request, InternalError(text, paid=Paid.MAYBE))


def answer(request: web.Request, fault: GatewayError, code: str | None = None) -> web.Response:
    """The fault as a whole answer, under another `code` if one is given; tells the story what happened."""
    request[STORY].fail(fault)
    if _begun(request):
        return _cut(request)
    return web.Response(
        status=fault.status,
        body=orjson.dumps(dialect.envelope(fault, code)),
        content_type="application/json",
        headers=dialect.headers(fault),
    )


def _begun(request: web.Request) -> bool:
    """True when no other answer can be given any more."""
    transport = request.transport
    return transport is None or transport.is_closing() or request.writer.output_size > 0


def _cut(request: web.Request) -> web.Response:
    """End the connection, so that nobody takes what arrived for the whole. What is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=NO_ANSWER)


def _foreign(request: web.Request, error: web.HTTPException) -> GatewayError:
    match error:
        case web.HTTPNotFound():
            return NotFound(f"Invalid URL ({request.method} {request.path[:200]}).")
        case web.HTTPMethodNotAllowed():
            allowed = tuple(sorted(error.allowed_methods))
            text = f"{request.method} is not allowed here; allowed: {', '.join(allowed)}."
            return MethodNotAllowed(text, allowed=allowed)
        case web.HTTPRequestEntityTooLarge():
            return TooLarge("The request is larger than allowed.")
    return InternalError("The gateway failed. The request id leads to the details in its log.", detail=repr(error))
