"""
Which addresses and programs are served at all.

Health is open to everybody, so that a load balancer needs no entry in these lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.address import Address, Networks, client_address, group
from gateway.chain.settings import ClientSettings
from gateway.domain.errors import ForbiddenClient
from gateway.handlers.keys import STORY

EVERYBODY = frozenset({"healthz"})
# What is counted as one client: an address, or an IPv6 network.
ORIGIN = web.RequestKey("origin", str)

Globs = tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class ClientLists:
    """What the operator listed. An empty `allow` list is everybody; `deny` wins."""

    allow: Networks
    deny: Networks
    agents_allow: Globs
    agents_deny: Globs
    trusted: Networks

    @classmethod
    def of(cls, settings: ClientSettings) -> ClientLists:
        return cls(
            allow=Networks.of(settings.allow),
            deny=Networks.of(settings.deny),
            agents_allow=_globs(settings.agents_allow),
            agents_deny=_globs(settings.agents_deny),
            trusted=Networks.of(settings.trusted_proxies),
        )

    def address(self, request: web.BaseRequest) -> Address | None:
        """Who asks; None for one without an address, such as a local socket."""
        return client_address(request.remote, request.headers.getall("X-Forwarded-For", ()), self.trusted)

    def check(self, address: Address | None, agent: str) -> None:
        """Raises: ForbiddenClient."""
        if address in self.deny or (self.allow and address not in self.allow):
            raise ForbiddenClient("This gateway does not serve your address.")
        lower = agent.lower()
        if _any(self.agents_deny, lower) or (self.agents_allow and not _any(self.agents_allow, lower)):
            raise ForbiddenClient("This gateway does not serve your program.", detail=f"User-Agent {agent[:100]!r}")


def clients(lists: Callable[[], ClientLists]) -> Middleware:
    """`lists` are those in force, asked for each request."""

    @web.middleware
    async def clients(request: web.Request, handler: Handler) -> web.StreamResponse:
        now = lists()
        address = now.address(request)
        request[ORIGIN] = group(address)
        request[STORY].facts["client"] = str(address or "-")
        resource = request.match_info.route.resource
        if resource is None or resource.name not in EVERYBODY:
            now.check(address, request.headers.get(hdrs.USER_AGENT, ""))
        return await handler(request)

    return clients


def _globs(written: Iterable[str]) -> Globs:
    return tuple(re.compile(translate(glob.lower())) for glob in written)


def _any(globs: Globs, text: str) -> bool:
    return any(glob.match(text) for glob in globs)
