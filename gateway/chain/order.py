"""The chain, outermost first, and an application inside of it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

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
from gateway.routing.rules import Rules
from gateway.stores.contract import Limits
from gateway.telemetry.catalogue import Catalogue


def chained(
    current: Callable[[], Doorkeeping],
    rules: Rules,
    catalogue: Catalogue,
    *,
    limits: Limits,
    moderation_code: str,
    now: Callable[[], float],
    wall: Callable[[], float],
    new_id: Callable[[], str],
) -> web.Application:
    """
    An application without paths.

    Args:
        current: what the door goes by, asked for each request; what is remembered of clients outlives it.
        now: monotonic seconds.  wall: wall time in seconds.  new_id: makes the random part of request ids.
    """
    guesses, replays = Guesses(now), Replays()
    chain = (
        story(now, lambda: f"req_{new_id()}"),  # an id and a log line for everything, refused or not
        metrics(catalogue, now),  # outside `errors`, so that it sees the final status
        errors,  # inside of it faults are raised, outside there are only answers
        cors(lambda: current().doorman.origins),  # a preflight carries no key
        clients(lambda: current().clients),  # who is not served at all is not told whether its key is right
        auth(lambda: current().doorman, guesses, wall),  # before anything is read or chosen; tells who is counted
        signed(lambda: current().signature, replays, wall),  # a stranger's signature is not worth a digest
        rate(limits, catalogue),  # by caller, and not for a request that nobody signed
        moderation(moderation_code),  # an outcome, told apart from faults
        routing(rules),  # candidates from path and caller; the handler asks again with the body
    )
    app = web.Application(middlewares=chain)
    app.on_response_prepare.append(finish_headers)
    app.on_response_prepare.append(allow_origin(lambda: current().doorman.origins))
    return app
