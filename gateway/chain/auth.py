"""Who asks. Every path is closed unless it is in the table of open ones."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.chain.clients import ORIGIN
from gateway.chain.doorman import NO_KEY, Doorman, presented
from gateway.chain.guesses import Guesses
from gateway.domain.caller import Caller
from gateway.domain.errors import BadKey
from gateway.handlers.keys import CALLER

# Resources served without a key: health says nothing, the welcome what README says, results are opened by the signature
# in their link, and hooks by the one in their address.
OPEN = frozenset({"healthz", "hooks", "results", "welcome"})
ANYBODY = Caller("anonymous")


def auth(doorman: Callable[[], Doorman], guesses: Guesses, wall: Callable[[], float]) -> Middleware:
    """`doorman` is the one on duty, asked for each request; `wall` is wall time, which keys expire in."""

    @web.middleware
    async def auth(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_open(request):
            request[CALLER] = ANYBODY
        else:
            duty = doorman()
            # Before its path is checked: the log says whose key it was.
            caller = request[CALLER] = _admit(duty, request, guesses, wall())
            if request.match_info.route.resource is not None:
                duty.check_path(caller, request.method, request.path)
        return await handler(request)

    return auth


def is_open(request: web.Request) -> bool:
    """True for what is served without a key."""
    resource = request.match_info.route.resource
    return resource is not None and resource.name in OPEN


def _admit(doorman: Doorman, request: web.Request, guesses: Guesses, now: float) -> Caller:
    """Nothing is awaited in here: of keys guessed at the same time none slips past the count."""
    key, origin = presented(request), request[ORIGIN]
    if key == NO_KEY or not doorman.callers:
        # Nothing was guessed.
        caller = doorman.admit(request, NO_KEY, now)
    else:
        guesses.check(origin, key)
        try:
            caller = doorman.admit(request, key, now)
        except BadKey:
            guesses.wrong(origin)
            raise
        guesses.right(origin, key)
    return caller
