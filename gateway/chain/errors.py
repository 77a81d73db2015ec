"""Every fault becomes OpenAI's envelope here, whatever raised it."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import structlog
from aiohttp import web

from gateway.chain import Handler
from gateway.dialects.openai import errors as dialect
from gateway.domain.errors import GatewayError, InternalError, MethodNotAllowed, NotFound, Paid, TooLarge
from gateway.handlers.keys import STORY

log = structlog.get_logger("gateway.errors")

BROKEN = "The gateway failed. The request id leads to the details in its log."


def errors(moderation_code: str) -> Callable[[web.Request, Handler], object]:
    """`moderation_code` is what a moderated request is called in answers."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except GatewayError as error:
            fault = error
        except web.HTTPException as error:
            fault = _foreign(request, error)
        except ConnectionError:
            raise
        except Exception:
            log.exception("unhandled", id=request[STORY].id)
            fault = InternalError(BROKEN, paid=Paid.MAYBE)
        return answer(request, fault, moderation_code)

    return errors


def answer(request: web.Request, fault: GatewayError, moderation_code: str) -> web.Response:
    """The fault as a whole answer; tells the story what happened."""
    told = request[STORY]
    told.outcome = "moderated" if fault.code == "moderation_blocked" else fault.code
    told.facts |= {"paid": fault.paid.value, "param": fault.param, "detail": fault.detail}
    code = moderation_code if fault.code == "moderation_blocked" else None
    headers = dialect.headers(fault)
    if "job" in told.facts:
        headers["x-job-id"] = str(told.facts["job"])
    return web.Response(
        status=fault.status,
        body=orjson.dumps(dialect.envelope(fault, code)),
        content_type="application/json",
        headers=headers,
    )


def _foreign(request: web.Request, error: web.HTTPException) -> GatewayError:
    match error:
        case web.HTTPNotFound():
            return NotFound(f"Invalid URL ({request.method} {request.path[:200]}).")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return MethodNotAllowed(f"{request.method} is not allowed here; allowed: {allowed}.")
        case web.HTTPRequestEntityTooLarge():
            return TooLarge("The request is larger than allowed.")
    return InternalError(BROKEN, detail=repr(error))
