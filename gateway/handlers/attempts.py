"""The targets of a request in their order, until one has answered or is not to blame for its failure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.errors import (
    GatewayError,
    ImageTooLarge,
    InvalidRequest,
    Paid,
    UnsupportedField,
)
from gateway.domain.target import Target
from gateway.handlers.keys import STORY
from gateway.jobs.fallback import next_may_try
from gateway.telemetry.catalogue import Catalogue

# What another target may well take; a value that is wrong for one is wrong.
UNABLE = (UnsupportedField, ImageTooLarge)
_PLAIN = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)

Attempt = Callable[[Target, bool], Awaitable[web.StreamResponse]]


async def first_able(
    request: web.Request,
    targets: Sequence[Target],
    attempt: Attempt,
    metrics: Catalogue,
    *,
    more: Callable[[], bool] = lambda: True,
) -> web.StreamResponse:
    """
    The answer of the first target that gives one. `attempt` is told whether there is another one behind; `more` says
    after a failure whether the request can still be given to another.

    A target in trouble is followed by the next one, and so is one that cannot serve what was asked.

    Raises: what the target raised behind which nobody may try; when none gave an answer, the trouble that is over
    first, or without any what the first could not serve.
    """
    told, failures, unable = request[STORY], list[GatewayError](), list[GatewayError]()
    for position, target in enumerate(targets):
        last = position + 1 == len(targets)
        told.platform, told.model = target.platform, target.model or "-"
        told.attempts.append(told.target)
        try:
            return await attempt(target, last)
        except GatewayError as error:
            if not (last or more()):
                raise
            refused = isinstance(error, InvalidRequest) and error.paid is Paid.NO
            if next_may_try([error]):
                failures.append(error)
            elif refused and isinstance(error, UNABLE):
                unable.append(error)
            elif not (refused and (failures or unable)):
                raise
            if last:
                raise (min(failures, key=_lasts) if failures else unable[0]) from None
            told.attempts[-1] += f" {error.code}{_field(error)}"
            metrics.fallbacks(told.route, target.platform, error.code).inc()
    raise AssertionError("a choice without targets")


def _field(error: GatewayError) -> str:
    """Which field the target was passed over for, as far as a header may carry the client's word for it."""
    named = isinstance(error, UNABLE) and error.param is not None and _PLAIN.fullmatch(error.param)
    return f"({error.param})" if named else ""


def _lasts(error: GatewayError) -> tuple[bool, float]:
    """Whether somebody has to change something before the same request may succeed, else how many seconds it takes."""
    return not error.hopeful, error.retry_after_s or 0.0
