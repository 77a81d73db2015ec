"""What may serve this request, as far as path, caller and headers tell."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY
from gateway.routing.choose import choose
from gateway.routing.facts import NOBODY, Facts, public_path


def routing(prefix: str, chance: Callable[[], float]) -> Middleware:
    """`prefix` is what the operator put before every public path; `chance` draws among weighted targets."""

    @web.middleware
    async def routing(request: web.Request, handler: Handler) -> web.StreamResponse:
        facts = request[FACTS] = facts_of(request, prefix)
        request[CANDIDATES] = choose(request[SNAPSHOT].rules, facts, chance())
        return await handler(request)

    return routing


def facts_of(request: web.Request, prefix: str) -> Facts:
    """What is known before the body is read. Paths that need no key have no caller."""
    path, deployment = public_path(request.path.removeprefix(prefix))
    return Facts(
        request[STORY].route,
        deployment,
        path=path,
        caller=request.get(CALLER, NOBODY),
        headers=request.headers,
    )
