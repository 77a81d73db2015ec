"""
Who asks. Every path is closed unless it is in the table of open ones.

Without configured keys only this machine's own programs are served: an open gateway is money on the street, and a web
page in a local browser is not one of those programs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.settings import AuthSettings
from gateway.domain.caller import Caller
from gateway.domain.errors import BadKey, ForbiddenOrigin
from gateway.domain.hosts import names_loopback
from gateway.handlers.keys import CALLER

# Resources served without a key: health says nothing, results are opened by the signature in their link.
OPEN = frozenset({"healthz", "results"})
LOCAL = Caller("local")
ANYBODY = Caller("anonymous")


@dataclass(frozen=True, slots=True)
class Doorman:
    """Knows the callers by the SHA-256 of their keys."""

    callers: Mapping[bytes, Caller]
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: AuthSettings) -> Doorman:
        hashed = {bytes.fromhex(key.hash.removeprefix("sha256:")): Caller(key.id) for key in settings.keys}
        return cls(hashed, frozenset(settings.origins))

    def admit(self, request: web.Request) -> Caller:
        """Raises: BadKey, ForbiddenOrigin."""
        if not self.callers:
            self._check_local(request)
            return LOCAL
        sent = request.headers.getall("Authorization", [])
        scheme, _, key = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
        found = digest(key.strip()) if scheme.lower() == "bearer" and key.strip() else b""
        # Hashes of high-entropy keys tell nothing by timing; compared in constant time all the same.
        known = [caller for stored, caller in self.callers.items() if hmac.compare_digest(stored, found)]
        if not known:
            raise BadKey("Incorrect API key provided. Send a key of this gateway as 'Authorization: Bearer KEY'.")
        return known[0]

    def _check_local(self, request: web.Request) -> None:
        if not names_loopback(request.headers.get("Host", "")):
            raise ForbiddenOrigin(
                "This gateway has no keys configured and serves only this machine, under the names localhost and "
                "127.0.0.1. Set FORWARD_KEY to serve others."
            )
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        foreign = origin not in self.origins if origin is not None else site not in ("none", "same-origin")
        if foreign:
            raise ForbiddenOrigin(
                "This gateway has no keys configured and refuses requests from web pages. Set FORWARD_KEY, and "
                "auth.origins for pages that may call."
            )


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def auth(doorman: Doorman) -> Middleware:
    @web.middleware
    async def auth(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        is_open = resource is not None and resource.name in OPEN
        request[CALLER] = ANYBODY if is_open else doorman.admit(request)
        return await handler(request)

    return auth
