"""
Who goes next: a bounded queue per account, fair between callers.

Callers take turns, so one with a thousand jobs does not starve another. A vendor's 429 costs nothing and is the truth
about the account, which others may share: the number of slots in use shrinks to what was accepted, then grows by one
with each acceptance.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.jobs.clock import Clock
from gateway.stores.contract import Slots

# After a 429 the next probe waits at least this long, doubling up to the longest.
PAUSE_S, PAUSE_LONGEST_S = 2.0, 16.0


@dataclass(slots=True)
class _Waiter:
    caller: str
    submission: str
    model: str
    granted: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    account: str
    ceiling: int
    allowed: int
    callers: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)
    queued: Counter[str] = field(default_factory=Counter)
    running: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    paused: bool = False
    freed: deque[str] = field(default_factory=deque)
    stirred: bool = False
    serving: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return self.queued.total()

    @property
    def active(self) -> int:
        return len(self.running)


class Queue:
    """
    Turns for submissions.

    One task per account speaks to the slots: it cannot be cancelled with the one whose turn it is, so none is lost.

    Args:
        slots: where the ceilings are kept.  ceilings: active tasks allowed, by account.
        nested: lower ceilings of single models, by `account/model`; the same that `slots` keeps.
        limit: how many may wait per account and model, so that the line of one never closes another's.
        chance: 0 ≤ x < 1, for jitter.  depth: told how many wait, by account.
    """

    def __init__(
        self,
        slots: Slots,
        ceilings: Mapping[str, int],
        *,
        nested: Mapping[str, int] = MappingProxyType({}),
        limit: int,
        clock: Clock,
        chance: Callable[[], float],
        depth: Callable[[str, int], None] = lambda _account, _depth: None,
    ) -> None:
        self._slots, self._limit, self._clock, self._chance, self._depth = slots, limit, clock, chance, depth
        self._lanes = {account: _Lane(account, ceiling, ceiling) for account, ceiling in ceilings.items()}
        self._nested = nested
        self._timers: set[asyncio.Task[None]] = set()

    def wait_s(self, account: str, model: str, more: int, typical_s: float) -> float | None:
        """
        How long the last of `more` further submissions would wait for its slot, in seconds; None when the line is full.

        Counted in rounds of `typical_s`, as if every task took that long and the running ones had just begun, and as
        if all others who wait went first: rather too long than too short. The task's own time is not part of it.
        """
        lane = self._lanes[account]
        width, running = self._width(lane, model), Counter(lane.running.values())
        free = max(0, min(width - running[model], lane.allowed - lane.active))
        if lane.queued[model] + more > self._limit + free:
            return None
        rounds = self._rounds(lane, model, running + lane.queued + Counter({model: more}))
        return max(lane.pause_s if lane.paused else 0.0, (rounds - 1) * typical_s)

    async def turn(self, account: str, model: str, caller: str, submission: str, *, first: bool = False) -> None:
        """Return when the submission holds a slot. `first` puts it before the caller's others (it was here before)."""
        lane = self._lanes[account]
        waiter = _Waiter(caller, submission, model, asyncio.get_running_loop().create_future())
        line = lane.callers.setdefault(caller, deque())
        line.appendleft(waiter) if first else line.append(waiter)
        self._count(lane, model, +1)
        self._stir(lane)
        try:
            await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release(account, submission)
            else:
                self._leave(lane, waiter)
            raise

    def release(self, account: str, submission: str) -> None:
        """The submission's task has ended."""
        lane = self._lanes[account]
        lane.running.pop(submission, None)
        lane.freed.append(submission)
        self._stir(lane)

    def release_later(self, account: str, submission: str, after_s: float) -> None:
        """Nobody knows whether the submission's task runs: keep its slot for a while."""
        self._later(after_s, lambda: self.release(account, submission))

    def accepted(self, account: str) -> None:
        """The vendor took one: dare one more."""
        lane = self._lanes[account]
        lane.pause_s = 0.0
        if lane.allowed < lane.ceiling:
            lane.allowed += 1
            self._stir(lane)

    def pushed_back(self, account: str, submission: str, retry_after_s: float | None) -> None:
        """The vendor said 429: take the slot back, and let the account rest. Several at a time are one refusal."""
        lane = self._lanes[account]
        if not lane.paused:
            lane.pause_s = min(PAUSE_LONGEST_S, max(PAUSE_S, 2 * lane.pause_s, retry_after_s or 0.0))
            lane.paused = True
            self._later(lane.pause_s * (1 + 0.25 * self._chance()), lambda: self._resume(lane))
        self.release(account, submission)
        lane.allowed = max(1, lane.active)

    async def close(self) -> None:
        serving = [lane.serving for lane in self._lanes.values() if lane.serving is not None]
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, *serving, return_exceptions=True)

    def _width(self, lane: _Lane, model: str) -> int:
        """How many of the model can run side by side."""
        return min(lane.allowed, self._nested.get(f"{lane.account}/{model}", lane.allowed))

    def _rounds(self, lane: _Lane, model: str, load: Mapping[str, int]) -> int:
        """
        In which round the last of `model` runs, the present one being 1; `load` counts all submissions by model.

        In each round either the whole account is busy or the model is at its own ceiling, so the last one is in by
        round r when own / width + others / allowed ≤ r. A model with a ceiling takes no more than that in each round,
        however many of it wait.
        """

        def others(rounds: int) -> int:
            return sum(min(load[other], self._width(lane, other) * rounds) for other in load if other != model)

        own, width, rounds = load[model], self._width(lane, model), 1
        if own <= width and own + others(1) <= lane.allowed:
            return 1
        while (needed := -(-(own * lane.allowed + others(rounds) * width) // (width * lane.allowed))) > rounds:
            rounds = needed
        return rounds

    def _later(self, after_s: float, work: Callable[[], None]) -> None:
        async def run() -> None:
            await self._clock.sleep(after_s)
            work()

        timer = asyncio.create_task(run())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    def _resume(self, lane: _Lane) -> None:
        lane.paused = False
        self._stir(lane)

    def _stir(self, lane: _Lane) -> None:
        """Something has changed: see who can go."""
        lane.stirred = True
        if lane.serving is None:
            lane.serving = asyncio.create_task(self._serve(lane), name=f"queue {lane.account}")

    async def _serve(self, lane: _Lane) -> None:
        try:
            while lane.stirred:
                lane.stirred = False
                while lane.freed:
                    await self._slots.release(lane.freed.popleft())
                await self._grant(lane)
        finally:
            lane.serving = None

    async def _grant(self, lane: _Lane) -> None:
        full: set[str] = set()
        while not lane.paused and lane.active < lane.allowed and (waiter := _next(lane, full)) is not None:
            if not await self._slots.acquire(lane.account, waiter.model, waiter.submission):
                full.add(waiter.model)
            elif waiter.granted.done():
                # It left meanwhile. Its slot goes back before anybody else is served, as it may have come again.
                lane.freed.append(waiter.submission)
                lane.stirred = True
                return
            else:
                lane.running[waiter.submission] = waiter.model
                self._leave(lane, waiter)
                if waiter.caller in lane.callers:
                    lane.callers.move_to_end(waiter.caller)
                waiter.granted.set_result(None)

    def _leave(self, lane: _Lane, waiter: _Waiter) -> None:
        line = lane.callers[waiter.caller]
        line.remove(waiter)
        if not line:
            del lane.callers[waiter.caller]
        self._count(lane, waiter.model, -1)

    def _count(self, lane: _Lane, model: str, change: int) -> None:
        lane.queued[model] += change
        self._depth(lane.account, lane.waiting)


def _next(lane: _Lane, full: set[str]) -> _Waiter | None:
    for line in lane.callers.values():
        for waiter in line:
            if waiter.model not in full and not waiter.granted.done():
                return waiter
    return None
