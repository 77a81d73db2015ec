"""
What a job is counted for: pictures and megapixels at once, the job itself while it runs, money for each submission.

Everything is set aside before INTENT, all of it or nothing. Each submission settles its own money on its end: at what
the vendor said it cost, else at the price list's estimate; what was certainly not charged is given back.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from gateway.domain.errors import GatewayError, LimitReached
from gateway.domain.window import Window
from gateway.jobs.fallback import next_may_try
from gateway.jobs.job import Order
from gateway.jobs.tools import Tools
from gateway.stores.contract import Usage

# A submission costs less on every price list: a vendor that tells more, or less than nothing, has told no price.
MOST_CREDITS = 1_000_000.0

log = structlog.get_logger("gateway.jobs")


class Charge:
    """One job's. `job` is its id; the submissions' reservations are `job/index`."""

    def __init__(self, tools: Tools, order: Order, job: str) -> None:
        self._tools, self._order, self._job = tools, order, job
        self._open = set(range(len(order.plan.calls)))
        self._moot = True

    async def reserve(self) -> Mapping[str, Window]:
        """How the limits stand that are touched. Raises: LimitReached, SpendReached; nothing is counted then."""
        plan, count = self._order.plan, len(self._open)
        credits = plan.credits or 0.0
        each = Usage(credits=credits, cents=credits * self._order.platform.cents_per_credit)
        whole = Usage(images=count, megapixels=plan.megapixels * count, jobs=1)
        usages = {self._job: whole} | {self._name(index): each for index in range(count)}
        try:
            return await self._tools.limits.reserve_all(self._order.who, usages)
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
        platform, model = self._order.platform, self._order.plan.target.model
        known = cost is not None and 0.0 <= cost <= MOST_CREDITS
        credits = (cost if known else self._order.plan.credits) or 0.0
        self._tools.metrics.spent_credits(platform.name, model).inc(credits)
        await self._tools.limits.settle(self._name(index), credits, credits * platform.cents_per_credit)

    def _name(self, index: int) -> str:
        return f"{self._job}/{index}"
