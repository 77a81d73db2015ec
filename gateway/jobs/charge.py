"""
What a job is counted for: pictures and megapixels at once, the job itself while it runs, money for each submission.

Everything is set aside before INTENT, all of it or nothing. Each submission settles its own money on its end: at what
the vendor said it cost, else at the price list's estimate; what was certainly not charged is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from gateway.domain.caller import Caller
from gateway.domain.errors import GatewayError, LimitReached
from gateway.domain.window import Window
from gateway.jobs.fallback import next_may_try
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.stores.contract import Usage

# A submission costs less on every price list: a vendor that tells more, or less than nothing, has told no price.
MOST_CREDITS = 1_000_000.0

log = structlog.get_logger("gateway.jobs")


class Charge:
    """
    One job's. `job` is its id, `open` the indexes of its submissions, whose reservations are `job/index`; `credits` is
    what one of them costs by the price list, None when nobody knows.
    """

    def __init__(
        self, tools: Tools, platform: Platform, model: str, job: str, open: Iterable[int], credits: float | None = None
    ) -> None:
        self._tools, self._platform, self._model, self._job = tools, platform, model, job
        self._open, self._credits = set(open), credits
        self._moot = True

    async def reserve(self, who: Caller, megapixels: float) -> Mapping[str, Window]:
        """
        How the limits stand that are touched; `megapixels` are those of one submission.

        Raises: LimitReached, SpendReached; nothing is counted then.
        """
        count, credits = len(self._open), self._credits or 0.0
        each = Usage(credits=credits, cents=credits * self._platform.cents_per_credit)
        whole = Usage(images=count, megapixels=megapixels * count, jobs=1)
        usages = {self._job: whole} | {self._name(index): each for index in sorted(self._open)}
        try:
            return await self._tools.limits.reserve_all(who, usages)
        except LimitReached as refusal:
            self._tools.metrics.limited(refusal.limit).inc()
            raise

    async def end(self, index: int, error: GatewayError | None, *, charged: bool, cost: float | None) -> None:
        """
        The submission is over; the first word on it counts. `error` is None for a picture and for one that was cut off;
        `cost` is the vendor's in credits, None when it told none. The last one ends the job: where all have failed by
        the platform's trouble, its pictures do not count either, as they may be asked from another.

        Never raises: what is wrong with the books must not take a picture away that was paid for.
        """
        if index not in self._open:
            return
        self._open.discard(index)
        self._moot &= not charged and (error is None or next_may_try([error]))
        try:
            if charged:
                await self._settle(index, cost)
            else:
                await self._tools.limits.give_back(self._name(index))
            if not self._open:
                await (self._tools.limits.undo if self._moot else self._tools.limits.give_back)(self._job)
        except Exception:
            log.exception("books are wrong", submission=self._name(index), charged=charged, credits=cost)

    async def close(self) -> None:
        """Nothing will be submitted any more: what has not ended never began."""
        for index in sorted(self._open):
            await self.end(index, None, charged=False, cost=None)

    async def _settle(self, index: int, cost: float | None) -> None:
        limits, name = self._tools.limits, self._name(index)
        if cost is None or not 0.0 <= cost <= MOST_CREDITS:
            cost = self._credits
        self._tools.metrics.spent_credits(self._platform.name, self._model).inc(cost or 0.0)
        if cost is None:
            # After a restart the reservation alone knows the price list's word.
            await limits.settle_as_reserved(name)
        else:
            await limits.settle(name, cost, cost * self._platform.cents_per_credit)

    def _name(self, index: int) -> str:
        return f"{self._job}/{index}"
