"""
Who goes next: a bounded queue per account, fair between callers.

Callers take turns, so one with a thousand jobs does not starve another. A vendor's 429 costs nothing and is the truth
about the account, which others may share: the number of slots in use shrinks to what was accepted, then grows by one
with each acceptance.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway.jobs.clock import Clock
from gateway.stores.contract import Slots

# After a 429 the next probe waits at least this long, doubling up to the longest.
PAUSE_S, PAUSE_LONGEST_S = 2.0, 16.0


@dataclass(slots=True)
class _Waiter:
    submission: str
    model: str
    granted: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    ceiling: int
    allowed: int
    callers: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)
    waiting: int = 0
    active: int = 0
    pause_s: float = 0.0
    paused: bool = False
    turning: asyncio.Lock = field(default_factory=asyncio.Lock)


class Queue:
    """
    Turns for submissions.

    Args:
        slots: where the ceilings are kept.  ceilings: active tasks allowed, by account.
        limit: how many may wait per account.  chance: 0 ≤ x < 1, for jitter.
        depth: told how many wait, by account.
    """

    def __init__(
        self,
        slots: Slots,
        ceilings: Mapping[str, int],
        *,
        limit: int,
        clock: Clock,
        chance: Callable[[], float],
        depth: Callable[[str, int], None] = lambda _account, _depth: None,
    ) -> None:
        self._slots, self._limit, self._clock, self._chance, self._depth = slots, limit, clock, chance, depth
        self._lanes = {account: _Lane(ceiling, ceiling) for account, ceiling in ceilings.items()}
        self._timers: set[asyncio.Task[None]] = set()

    def wait_s(self, account: str, more: int, typical_s: float) -> float | None:
        """How long the last of `more` further submissions would wait, in seconds; None when the queue is full."""
        lane = self._lanes[account]
        ahead = lane.waiting + more - max(0, lane.allowed - lane.active)
        if ahead <= 0 and not lane.paused:
            return 0.0
        if lane.waiting + more > self._limit + max(0, lane.allowed - lane.active):
            return None
        return max(lane.pause_s if lane.paused else 0.0, math.ceil(max(ahead, 1) / lane.allowed) * typical_s)

    async def turn(self, account: str, model: str, caller: str, submission: str, *, first: bool = False) -> None:
        """Return when the submission holds a slot. `first` puts it before the caller's others (it was here before)."""
        lane = self._lanes[account]
        waiter = _Waiter(submission, model, asyncio.get_running_loop().create_future())
        line = lane.callers.setdefault(caller, deque())
        line.appendleft(waiter) if first else line.append(waiter)
        self._count(account, lane, +1)
        try:
            await self._serve(account, lane)
            await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled():
                await self.release(account, submission)
            raise
        finally:
            if waiter in line:
                line.remove(waiter)
                self._count(account, lane, -1)
            if not line and lane.callers.get(caller) is line:
                del lane.callers[caller]

    async def release(self, account: str, submission: str) -> None:
        """The submission's task has ended."""
        lane = self._lanes[account]
        await self._slots.release(submission)
        lane.active -= 1
        await self._serve(account, lane)

    def release_later(self, account: str, submission: str, after_s: float) -> None:
        """Nobody knows whether the submission's task runs: keep its slot for a while."""
        self._later(after_s, lambda: self.release(account, submission))

    def accepted(self, account: str) -> None:
        """The vendor took one: dare one more."""
        lane = self._lanes[account]
        lane.pause_s = 0.0
        lane.allowed = min(lane.ceiling, lane.allowed + 1)

    async def pushed_back(self, account: str, submission: str, retry_after_s: float | None) -> None:
        """The vendor said 429: give the slot back, and let the account rest."""
        lane = self._lanes[account]
        lane.pause_s = min(PAUSE_LONGEST_S, max(PAUSE_S, 2 * lane.pause_s, retry_after_s or 0.0))
        if not lane.paused:
            lane.paused = True
            self._later(lane.pause_s * (1 + 0.25 * self._chance()), lambda: self._resume(account, lane))
        await self.release(account, submission)
        lane.allowed = max(1, lane.active)

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)

    def _later(self, after_s: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await self._clock.sleep(after_s)
            await work()

        timer = asyncio.create_task(run())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _resume(self, account: str, lane: _Lane) -> None:
        lane.paused = False
        await self._serve(account, lane)

    async def _serve(self, account: str, lane: _Lane) -> None:
        async with lane.turning:
            full: set[str] = set()
            while not lane.paused and lane.active < lane.allowed:
                if (found := self._next(lane, full)) is None:
                    return
                caller, waiter = found
                if not await self._slots.acquire(account, waiter.model, waiter.submission):
                    full.add(waiter.model)
                    continue
                lane.callers[caller].remove(waiter)
                lane.callers.move_to_end(caller)
                self._count(account, lane, -1)
                lane.active += 1
                if waiter.granted.cancelled():
                    await self._slots.release(waiter.submission)
                    lane.active -= 1
                else:
                    waiter.granted.set_result(None)

    @staticmethod
    def _next(lane: _Lane, full: set[str]) -> tuple[str, _Waiter] | None:
        for caller, line in lane.callers.items():
            for waiter in line:
                if waiter.model not in full:
                    return caller, waiter
        return None

    def _count(self, account: str, lane: _Lane, change: int) -> None:
        lane.waiting += change
        self._depth(account, lane.waiting)
