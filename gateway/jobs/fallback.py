"""When the next platform may be tried."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.domain.errors import (
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformTimeout,
    PlatformUnavailable,
    PlatformUnreachable,
    QueueFull,
)
from gateway.jobs.job import Result

# The platform's own trouble. A full queue is one: what fills it is that platform's pace and ceilings.
TROUBLE = (
    PlatformUnreachable,
    PlatformTimeout,
    PlatformBusy,
    PlatformOutOfCredits,
    PlatformAuthFailed,
    PlatformUnavailable,
    QueueFull,
)


def next_may_try(results: Iterable[Result | None]) -> bool:
    """
    True when every submission of a job has failed by its platform's trouble and certainly unpaid; an error that
    `Supervisor.start` or `admit` raises is the only result of its attempt. Never after a picture, a refusal of content,
    a fault of the request, a caller's own limit, or while anything is open.

    Whoever goes on abandons the failed job first, so that nobody takes it for the new one.
    """
    found = list(results)
    return bool(found) and all(isinstance(result, TROUBLE) and result.paid is Paid.NO for result in found)
