"""Every path that nobody else owns: relayed as it is, once it is sure to stay below the platform's base path."""

from __future__ import annotations

import re

from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    PlatformNotConfigured,
)
from gateway.handlers.duty import DUTY
from gateway.handlers.expect import expects, invite_body
from gateway.handlers.keys import STORY
from gateway.platforms.openai import OpenAi
from gateway.upstream.relay import Relay

# A segment of one or two dots in any spelling a server on the way might undo, `%252e` and `..;x` included.
_SLASH = r"[/\\]|%(?:25)*(?:2f|5c)"
_DOTS = re.compile(rf"(?:^|{_SLASH})(?:\.|%(?:25)*2e){{1,2}}(?=$|;|%(?:25)*3b|{_SLASH})", re.IGNORECASE)
# A request may name the whole address; its host means nothing here: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)

# TRACE answers with the request it got, the platform's key included; CONNECT is for proxies.
REFUSED_METHODS = ("CONNECT", "TRACE")


class RelayHandler:
    """
    Handler of every method on `{prefix}/{rest}`. `openai` is None when nothing is relayed.

    `prefix` is the public path that stands for the platform's base URL.
    """

    def __init__(self, relay: Relay, openai: OpenAi | None, *, prefix: str = "/v1") -> None:
        self._relay, self._openai, self._prefix = relay, openai, prefix

    async def __call__(self, request: web.Request, *, body: Blob | None = None) -> web.StreamResponse:
        """
        `body` is the request's, when it has been received before; it stays the caller's to release.

        Raises: PlatformNotConfigured, MethodNotAllowed, NotFound, InvalidRequest, ExpectationFailed, and what
        `Relay.forward` raises.
        """
        if self._openai is None:
            raise self._not_configured()
        if request.method in REFUSED_METHODS:
            raise MethodNotAllowed(f"{request.method} is not served.")
        rest = rest_of(request.raw_path, self._prefix)
        told = request[STORY]
        told.platform, told.model = self._openai.name, "-"
        invite = invite_body if body is None and expects(request) else None
        duty = request.get(DUTY)
        response = await self._relay.forward(request, self._openai, rest, body=body, invite=invite, duty=duty)
        told.outcome = _outcome(response.status)
        return response

    def _not_configured(self) -> PlatformNotConfigured:
        return PlatformNotConfigured(
            "This path is relayed to OpenAI, and no key for it is configured: set OPENAI_API_KEY, or list a platform of"
            f" kind `openai`. Served without one: POST {self._prefix}/images/edits, GET {self._prefix}/models."
        )


def rest_of(target: str, prefix: str) -> str:
    """
    What follows `prefix/` in a request's target, byte for byte.

    Raises: NotFound when it does not start so, InvalidRequest when it could lead out of it.
    """
    if origin := _ORIGIN.match(target):
        target = target[origin.end() :]
    if not target.startswith(prefix + "/"):
        raise NotFound("Nothing lives at this path.")
    rest = target[len(prefix) + 1 :]
    # The client library leaves out bytes that are not UTF-8, which would make `.\xff.` a `..`.
    if not rest.isascii() or _DOTS.search(re.split(r"[?#]", rest, maxsplit=1)[0]):
        raise InvalidRequest("The path is not one that can be relayed.")
    return rest


def _outcome(status: int) -> str:
    """The metric word for a relayed status; the platform's own words are not a closed set."""
    if status < 400:
        return "ok"
    if status >= 500:
        return PlatformError.code
    return {401: PlatformAuthFailed.code, 429: PlatformBusy.code}.get(status, InvalidRequest.code)
