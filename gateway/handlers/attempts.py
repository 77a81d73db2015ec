"""The targets of a request in their order, until one has answered or is not to blame for its failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.errors import GatewayError, InvalidRequest, Paid
from gateway.domain.target import Target
from gateway.handlers.keys import STORY
from gateway.jobs.fallback import next_may_try
from gateway.telemetry.catalogue import Catalogue

Attempt = Callable[[Target, bool], Awaitable[web.StreamResponse]]


async def first_able(
    request: web.Request, targets: Sequence[Target], attempt: Attempt, metrics: Catalogue
) -> web.StreamResponse:
    """
    The answer of the first target that gives one. `attempt` is told whether there is another one behind.

    Raises: what the target raised behind which nobody may try; when all were in trouble, or those behind could not
    serve the request at all, the trouble that is over first.
    """
    told, failures = request[STORY], list[GatewayError]()
    for position, target in enumerate(targets):
        last = position + 1 == len(targets)
        told.platform, told.model = target.platform, target.model or "-"
        told.attempts.append(told.target)
        try:
            return await attempt(target, last)
        except GatewayError as error:
            if next_may_try([error]):
                failures.append(error)
            elif not (failures and isinstance(error, InvalidRequest) and error.paid is Paid.NO):
                raise
            if last:
                raise min(failures, key=_lasts) from None
            told.attempts[-1] += f" {error.code}"
            metrics.fallbacks(told.route, target.platform, error.code).inc()
    raise AssertionError("a choice without targets")


def _lasts(error: GatewayError) -> tuple[bool, float]:
    """Whether somebody has to change something before the same request may succeed, else how many seconds it takes."""
    return not error.hopeful, error.retry_after_s or 0.0
