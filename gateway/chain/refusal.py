"""What is answered and logged outside the chain: OpenAI's envelope, and nothing of what the stranger sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.dialects.openai import errors as dialect
from gateway.domain.errors import (
    ExpectationFailed,
    GatewayError,
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
)

log = logging.getLogger("gateway.connection")


class Complaints:
    """A log line about what strangers send: one a second at most, with the number of those left out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._next, self._left_out = now, 0.0, 0

    def __call__(self, text: str, *facts: object) -> None:
        if (now := self._now()) < self._next:
            self._left_out += 1
            return
        log.warning(text + "; %s more since the last such line", *facts, self._left_out)
        self._next, self._left_out = now + 1.0, 0


_KINDS = {kind.status: kind for kind in (NotFound, MethodNotAllowed, TooLarge, ExpectationFailed)}


def plain(status: int) -> GatewayError:
    """aiohttp's own answers, in our words."""
    kind = _KINDS.get(status, InvalidRequest if status < 500 else InternalError)
    return kind(f"{HTTPStatus(status).phrase}.")


def fault(error: BaseException | None) -> GatewayError:
    if isinstance(error, LineTooLong) or "Too many headers" in str(error):
        return HeadersTooLarge("Too many headers, or a header or the request line is longer than listen.header_line.")
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        return InvalidRequest("The request is not valid HTTP.")
    return InternalError("The gateway failed. The request id leads to the details in its log.")


def envelope(error: GatewayError, name: str) -> web.Response:
    headers = dialect.headers(error) | {
        "x-request-id": name,
        "Server": "gateway",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    body = orjson.dumps(dialect.envelope(error))
    return web.Response(status=error.status, body=body, content_type="application/json", headers=headers)
