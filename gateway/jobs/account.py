"""
Whether the accounts at platforms are well, and what is left on them: asked free of charge.

Now and then, so that somebody pays before it is gone; at once when a submission or a poll gives reason to doubt, and
every few seconds while an account is shut: the answer shuts the account or opens it again, for all its models. An
answer that does not come leaves everything as it was, unless submissions fail as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from gateway.domain.errors import PlatformAuthFailed, PlatformOutOfCredits, PlatformUnavailable
from gateway.jobs.breakers import Breakers
from gateway.jobs.clock import Clock
from gateway.platforms.contract import Platform
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, Session

log = structlog.get_logger("gateway.jobs")

# The longest time between two questions about one account; while it is shut; and the shortest, whoever doubts.
EVERY_S, SHUT_S, PAUSE_S = 300.0, 4.0, 2.0
# What shut an account says nothing any more when no answer has confirmed it for so long: submissions find out.
STALE_S = 30.0


class Accounts:
    """
    Args:
        platforms: those in use just now, asked for before each round.
        breakers: told what the answers say.
        chance: 0 ≤ x < 1, so that many gateways do not ask in the same second.
    """

    def __init__(
        self,
        platforms: Callable[[], Iterable[Platform]],
        session: Session,
        metrics: Catalogue,
        breakers: Breakers,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._platforms, self._session, self._metrics, self._breakers = platforms, session, metrics, breakers
        self._clock, self._chance = clock, chance
        self._doubted: dict[str, bool] = {}
        self._called = asyncio.Event()
        self._due: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, float] = {}  # when an account was last heard of, or found silent while submissions failed

    def doubt(self, account: str, *, failing: bool = False) -> None:
        """
        There is reason to think that an account is empty or its key refused, or, when `failing`, that the platform
        cannot be reached: ask soon.
        """
        self._doubted[account] = failing or self._doubted.get(account, False)
        self._called.set()

    async def watch(self) -> None:
        """Ask at once, and then for ever."""
        try:
            while True:
                now = self._clock.now()
                self._called.clear()
                for platform in self._platforms():
                    name = platform.account
                    if name not in self._asking and (now >= self._due.get(name, now) or name in self._doubted):
                        self._asking[name] = asyncio.create_task(self._ask(platform, self._doubted.pop(name, False)))
                await self._clock.sleep(PAUSE_S)
                rest_s = min(self._due.values(), default=now + EVERY_S) - self._clock.now()
                if not self._doubted and rest_s > 0:
                    with suppress(TimeoutError):
                        await self._clock.within(rest_s, self._called.wait())
        finally:
            for task in self._asking.values():
                task.cancel()
            await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _ask(self, platform: Platform, failing: bool) -> None:
        name = platform.account
        self._due[name] = self._clock.now() + EVERY_S  # until there is an answer
        try:
            sent = await self._session.send(platform.probe())
            status = str(sent.answer.status) if isinstance(sent, Answered) else "0"
            self._metrics.upstream_responses(platform.name, "probe", status).inc()
            if isinstance(sent, Answered):
                self._heard(platform, sent)
            else:
                self._silent(name, failing)
        except Exception:
            log.exception("account not asked", platform=platform.name)
        finally:
            self._asking.pop(name, None)
            shut = self._breakers.account(name).cause is not None
            self._due[name] = self._clock.now() + (SHUT_S if shut else EVERY_S) * (0.9 + 0.1 * self._chance())
            self._called.set()

    def _silent(self, name: str, failing: bool) -> None:
        if self._breakers.account(name).cause is not None:
            if self._clock.now() - self._told.get(name, 0.0) > STALE_S:
                self._breakers.good(name)
        elif failing and name in self._told:  # of one that never answers this question it says nothing
            self._told[name] = self._clock.now()
            self._breakers.shut(name, PlatformUnavailable, "it does not answer")

    def _heard(self, platform: Platform, sent: Answered) -> None:
        self._told[platform.account] = self._clock.now()
        name, health = platform.account, platform.read_probe(sent.answer)
        if health.credits is not None:
            self._metrics.platform_credits(platform.name).set(health.credits)
        before = self._breakers.account(name).cause
        if health.ok:
            self._breakers.good(name)
        elif health.refused:
            self._breakers.shut(name, PlatformAuthFailed, health.text)
        elif health.credits is not None:
            self._breakers.shut(name, PlatformOutOfCredits, health.text)
        elif before is PlatformUnavailable:  # it answers, whatever it says
            self._breakers.good(name)
        if (after := self._breakers.account(name).cause) is not before:
            if after is None:
                log.info("account serves again", platform=platform.name, text=health.text)
            else:
                log.error("account is shut", platform=platform.name, code=after.code, text=health.text)
