"""The chain, outermost first, and an application inside of it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.chain.admission import admission
from gateway.chain.auth import auth
from gateway.chain.clients import clients
from gateway.chain.cors import allow_origin, cors
from gateway.chain.doorman import Doorkeeping
from gateway.chain.errors import errors
from gateway.chain.guesses import Guesses
from gateway.chain.metrics import metrics
from gateway.chain.moderation import moderation
from gateway.chain.rate import rate
from gateway.chain.replays import Replays
from gateway.chain.routing import routing
from gateway.chain.signed import signed
from gateway.chain.story import finish_headers, story
from gateway.chain.turns import Turns
from gateway.handlers.keys import Snapshot
from gateway.stores.contract import Limits
from gateway.telemetry.catalogue import Catalogue


def chained(
    snapshot: Callable[[], Snapshot],
    door: Callable[[], Doorkeeping],
    catalogue: Catalogue,
    *,
    limits: Limits,
    now: Callable[[], float],
    wall: Callable[[], float],
    new_id: Callable[[], str],
    prefix: str = "",
    chance: Callable[[], float] = lambda: 0.0,
    turns: Turns | None = None,
) -> web.Application:
    """
    An application without paths.

    Args:
        snapshot: what is in force; each request keeps the one it came with.
        door: what the door goes by, asked for each request; what is remembered of clients outlives it.
        now: monotonic seconds.  wall: wall time in seconds.  new_id: makes the random part of request ids.
        prefix: stands before every public path.  chance: draws among weighted targets.
    """
    guesses, replays = Guesses(now), Replays()
    chain = (
        story(now, lambda: f"req_{new_id()}", snapshot),  # an id and a log line for everything, refused or not
        metrics(catalogue, now),  # outside `errors`, so that it sees the final status
        errors,  # inside of it faults are raised, outside there are only answers
        admission(turns or Turns(1), now),  # before all that costs; whoever leaves meanwhile is told apart
        cors(lambda: door().doorman.origins),  # a preflight carries no key
        clients(lambda: door().clients),  # who is not served at all is not told whether its key is right
        auth(lambda: door().doorman, guesses, wall),  # before anything is read or chosen; tells who is counted
        signed(lambda: door().signature, replays, wall),  # a stranger's signature is not worth a digest
        rate(limits, catalogue),  # by caller, and not for a request that nobody signed
        moderation,  # an outcome, told apart from faults
        routing(prefix, chance),  # candidates by path and caller; the handler asks again with the body
    )
    app = web.Application(middlewares=chain)
    app.on_response_prepare.append(finish_headers)
    app.on_response_prepare.append(allow_origin(lambda: door().doorman.origins))
    return app
