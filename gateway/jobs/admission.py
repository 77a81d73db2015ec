"""What is refused at once because it could not be answered in time."""

from __future__ import annotations

from math import inf

from gateway.domain.errors import QueueFull
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform


def admit(tools: Tools, platform: Platform, model: str, count: int, within_s: float, patience_s: float) -> None:
    """
    `count` submissions that are to be answered within `within_s` seconds, the first of them to wait no longer than
    `patience_s`.

    Raises: PlatformUnavailable, PlatformAuthFailed or PlatformOutOfCredits when the platform is left alone just now,
    PlatformBusy when it refuses everything, QueueFull; what `able` raises.
    """
    tools.able()
    tools.breakers.of(platform.account, model).check()
    tools.queue.check(platform.account, model)
    typical = tools.paces(platform, model).expected_s()
    wait = tools.queue.wait_s(platform.account, model, count, typical)
    if wait is None:
        raise QueueFull("Too many requests are waiting already. Try again later.", retry_after_s=typical)
    first = tools.queue.wait_s(platform.account, model, 1, typical) or 0.0 if patience_s < inf else 0.0
    if (wait and wait + typical > within_s) or first > patience_s:
        raise QueueFull(
            f"The request would wait about {wait:.0f} s for a slot, longer than the {min(within_s, patience_s):.0f} s "
            "in which it is to be served. Try again later.",
            retry_after_s=max(wait + typical - within_s, first - patience_s),
        )
