"""The chain, outermost first, and an application inside of it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.chain.auth import Doorman, auth
from gateway.chain.cors import allow_origin, cors
from gateway.chain.errors import errors
from gateway.chain.metrics import metrics
from gateway.chain.moderation import moderation
from gateway.chain.routing import routing
from gateway.chain.settings import AuthSettings
from gateway.chain.story import finish_headers, story
from gateway.routing.rules import Rules
from gateway.telemetry.catalogue import Catalogue


def chained(
    settings: AuthSettings,
    rules: Rules,
    catalogue: Catalogue,
    *,
    moderation_code: str,
    now: Callable[[], float],
    new_id: Callable[[], str],
    prefix: str = "",
    chance: Callable[[], float] = lambda: 0.0,
) -> web.Application:
    """
    An application without paths. `now` is monotonic; `new_id` makes the random part of request ids; `prefix` stands
    before every public path; `chance` draws among weighted targets.
    """
    doorman = Doorman.of(settings)
    chain = (
        story(now, lambda: f"req_{new_id()}"),  # an id and a log line for everything, refused or not
        metrics(catalogue, now),  # outside `errors`, so that it sees the final status
        errors,  # inside of it faults are raised, outside there are only answers
        cors(doorman.origins),  # a preflight carries no key
        auth(doorman),  # before anything is read or chosen
        moderation(moderation_code),  # an outcome, told apart from faults
        routing(
            rules, prefix=prefix, chance=chance
        ),  # candidates from path and caller; the handler asks again with the body
    )
    app = web.Application(middlewares=chain)
    app.on_response_prepare.append(finish_headers)
    app.on_response_prepare.append(allow_origin(doorman.origins))
    return app
