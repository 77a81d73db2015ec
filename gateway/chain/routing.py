"""What may serve this request, as far as path, caller and headers tell."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.domain.errors import NotFound
from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY
from gateway.routing.choose import choose
from gateway.routing.facts import NOBODY, Facts, public_path
from gateway.routing.spelling import hint, misspelled


def routing(prefix: str, chance: Callable[[], float]) -> Middleware:
    """
    `prefix` is what the operator put before every public path; `chance` draws among weighted targets.

    Raises: NotFound with what was probably meant, and what `choose` raises.
    """

    @web.middleware
    async def routing(request: web.Request, handler: Handler) -> web.StreamResponse:
        if isinstance(request.match_info.http_exception, web.HTTPNotFound):
            path = request.path
            meant = misspelled(public_path(path.removeprefix(prefix))[0])
            if not meant and path.startswith("/v1/"):
                # Without the prefix, else somebody would serve it.
                meant = (path,)
            raise NotFound(f"Invalid URL ({request.method} {path[:200]}).{hint(meant, prefix)}")
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
