"""
What is left on the accounts at platforms: asked now and then, free of charge, so that somebody pays before it is gone.

An answer that does not come is nobody's fault here, and leaves the gauge as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from gateway.jobs.clock import Clock
from gateway.platforms.contract import Platform
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, Session

log = structlog.get_logger("gateway.jobs")

# The longest time between two rounds, and the shortest, however many submissions hear that an account is empty.
EVERY_S, PAUSE_S = 300.0, 15.0


class Accounts:
    """
    Args:
        platforms: those in use just now, asked for before each round.
        chance: 0 ≤ x < 1, so that many gateways do not ask in the same second.
    """

    def __init__(
        self,
        platforms: Callable[[], Iterable[Platform]],
        session: Session,
        metrics: Catalogue,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._platforms, self._session, self._metrics = platforms, session, metrics
        self._clock, self._chance = clock, chance
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        """A platform has said that an account is empty: ask again soon."""
        self._doubted.set()

    async def watch(self) -> None:
        """Ask at once, and then for ever."""
        while True:
            self._doubted.clear()
            await asyncio.gather(*map(self._ask, self._platforms()))
            await self._clock.sleep(PAUSE_S)
            rest_s = (EVERY_S - PAUSE_S) * (0.9 + 0.1 * self._chance())
            with suppress(TimeoutError):
                await self._clock.within(rest_s, self._doubted.wait())

    async def _ask(self, platform: Platform) -> None:
        try:
            sent = await self._session.send(platform.probe())
            status = str(sent.answer.status) if isinstance(sent, Answered) else "0"
            self._metrics.upstream_responses(platform.name, "probe", status).inc()
            if isinstance(sent, Answered) and (left := platform.read_probe(sent.answer).credits) is not None:
                self._metrics.platform_credits(platform.name).set(left)
        except Exception:
            log.exception("account not asked", platform=platform.name)
