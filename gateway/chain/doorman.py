"""
Who asks, and what the operator lets them use. Values only: a reload makes new ones, and each request is judged by those
in force when it came.

Without configured keys only this machine's own programs are served: an open gateway is money on the street, and a web
page in a local browser is not one of those programs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.chain.clients import ClientLists
from gateway.chain.gate import Crowding
from gateway.chain.settings import AuthSettings, ClientSettings, SignatureSettings
from gateway.chain.signature import SignaturePolicy
from gateway.domain.caller import Caller
from gateway.domain.errors import BadKey, ForbiddenOrigin, NotFound, PathNotAllowed
from gateway.domain.hosts import is_loopback, names_loopback
from gateway.routing.facts import public_path
from gateway.routing.spelling import hint, misspelled

LOCAL = Caller("local")
NO_KEY = b""
WRONG = "Incorrect API key provided. Send a key of this gateway as 'Authorization: Bearer KEY'."
# What proxies add: somebody else asks.
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


@dataclass(frozen=True, slots=True)
class Doorman:
    """Knows the callers by the SHA-256 of their keys. `prefix` is what stands before every public path."""

    callers: Mapping[bytes, Caller]
    origins: frozenset[str] = frozenset()
    prefix: str = ""

    @classmethod
    def of(cls, settings: AuthSettings, prefix: str = "") -> Doorman:
        callers = {bytes.fromhex(key.hash.removeprefix("sha256:")): key.caller() for key in settings.keys}
        return cls(callers, frozenset(settings.origins), prefix)

    def admit(self, request: web.BaseRequest, key: bytes, now: float) -> Caller:
        """
        The caller whose key it is, as `presented` told it, at wall time `now`.

        Raises: BadKey, PathNotAllowed; ForbiddenOrigin when there are no keys.
        """
        if not self.callers:
            self._check_local(request)
            return LOCAL
        # Looked up, not compared one by one: the hash of a key of 256 bits tells nothing by timing.
        caller = self.callers.get(key)
        if caller is None:
            raise BadKey(WRONG)
        if caller.expires is not None and caller.expires <= now:
            raise BadKey(WRONG, detail=f"the key of {caller.id} has expired")
        return caller

    def check_path(self, caller: Caller, method: str, path: str) -> None:
        """Raises: PathNotAllowed, or NotFound for a misspelled path, where nobody is served."""
        public, _ = public_path(path.removeprefix(self.prefix))
        if caller.may_call(method, public):
            return
        if meant := misspelled(public):
            raise NotFound(f"Nothing lives at this path.{hint(meant, self.prefix)}")
        raise PathNotAllowed("Your API key may not call this path.")

    def _check_local(self, request: web.BaseRequest) -> None:
        if not names_loopback(request.headers.get("Host", "")):
            raise ForbiddenOrigin(
                "This gateway has no keys configured and serves only this machine, under the names localhost and "
                "127.0.0.1. Set FORWARD_KEY to serve others."
            )
        # A proxy's own `Host` may well be 127.0.0.1:8080, whoever stands before it.
        if not is_loopback(request.remote) or any(name in request.headers for name in FORWARDED):
            raise ForbiddenOrigin(
                "This gateway has no keys configured and serves nobody from another machine, or through a proxy. Set "
                "FORWARD_KEY to serve others."
            )
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        foreign = origin not in self.origins if origin is not None else site not in ("none", "same-origin")
        if foreign:
            raise ForbiddenOrigin(
                "This gateway has no keys configured and refuses requests from web pages. Set FORWARD_KEY, and "
                "auth.origins for pages that may call."
            )


@dataclass(frozen=True, slots=True)
class Doorkeeping:
    """All that is decided at the door, as one configuration says it."""

    doorman: Doorman
    clients: ClientLists
    signature: SignaturePolicy
    crowding: Crowding

    @classmethod
    def of(
        cls, auth: AuthSettings, clients: ClientSettings, signature: SignatureSettings, *, prefix: str = ""
    ) -> Doorkeeping:
        return cls(
            doorman=Doorman.of(auth, prefix),
            clients=ClientLists.of(clients),
            signature=SignaturePolicy.of(signature),
            crowding=Crowding.of(clients),
        )


def presented(request: web.BaseRequest) -> bytes:
    """
    The digest of the one key that came, as a bearer token or in Azure's `api-key` header; NO_KEY for none, for one that
    is malformed, and for two that differ: a proxy may have looked at the other one.
    """
    authorizations = request.headers.getall("Authorization", ())
    bare = request.headers.getall("api-key", ())
    if len(authorizations) > 1 or len(bare) > 1:
        return NO_KEY
    keys = {key.strip() for key in (*map(_bearer, authorizations), *bare)}
    key = keys.pop() if len(keys) == 1 else ""
    return digest(key) if key else NO_KEY


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _bearer(line: str) -> str:
    scheme, _, key = line.partition(" ")
    return key if scheme.lower() == "bearer" else ""
