"""
Who goes next: a bounded queue per account, fair between callers.

Callers take turns by weight (see `line`), so one with a thousand jobs does not starve another. A vendor's 429 costs
nothing and is the truth about the account, which others may share: the number of slots in use shrinks to what was
accepted, then grows by one with each acceptance.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.jobs.clock import Clock
from gateway.jobs.estimate import rounds
from gateway.jobs.line import Line, Waiter
from gateway.stores.contract import Slots
from gateway.stores.slots import of_others

# After a 429 the next probe waits at least this long, doubling up to the longest.
PAUSE_S, PAUSE_LONGEST_S = 2.0, 16.0


@dataclass(slots=True)
class _Lane:
    account: str
    ceiling: int
    allowed: int
    line: Line
    expected: dict[str, str] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    paused: bool = False
    freed: deque[str] = field(default_factory=deque)
    stirred: bool = False
    serving: asyncio.Task[None] | None = None

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
        self._lanes: dict[str, _Lane] = {}
        self._nested: Mapping[str, int] = {}
        self._timers: set[asyncio.Task[None]] = set()
        self.configure(ceilings, nested)

    def configure(self, ceilings: Mapping[str, int], nested: Mapping[str, int]) -> None:
        """
        Other ceilings from now on; the slots have to be told as well. What runs goes on: below a lower ceiling nobody
        goes until enough have ended. An account that is not named any more keeps its own, for the jobs it has left.
        """
        self._nested = of_others(self._nested, ceilings) | dict(nested)
        for account, ceiling in ceilings.items():
            if (lane := self._lanes.get(account)) is None:
                lane = self._lanes[account] = _Lane(account, ceiling, ceiling, Line(self._narrow(account)))
            # What the vendor's own refusals have taught is kept.
            lane.allowed = ceiling if lane.allowed == lane.ceiling else min(lane.allowed, ceiling)
            lane.ceiling = ceiling
            if len(lane.line):
                self._stir(lane)

    def wait_s(self, account: str, model: str, more: int, typical_s: float) -> float | None:
        """
        How long the last of `more` further submissions would wait for its slot, in seconds; None when the line is full.

        Counted in rounds of `typical_s`, as if every task took that long and the running ones had just begun, and as
        if all others who wait went first: rather too long than too short. The task's own time is not part of it.
        """
        lane = self._lanes[account]
        width, running = self._width(lane, model), Counter(lane.running.values())
        free = max(0, min(width - running[model], lane.allowed - lane.active))
        waiting = lane.line.waiting + Counter(lane.expected.values())
        if waiting[model] + more > self._limit + free:
            return None
        load = running + waiting + Counter({model: more})
        needed = rounds(model, load, lane.allowed, lambda other: self._width(lane, other))
        return max(lane.pause_s if lane.paused else 0.0, (needed - 1) * typical_s)

    def expect(self, account: str, model: str, submissions: Iterable[str]) -> None:
        """These are about to ask for their turns: they count as waiting until they do, or are not expected any more."""
        self._lanes[account].expected |= dict.fromkeys(submissions, model)

    def expect_no_more(self, account: str, submission: str) -> None:
        """It has ended without asking for its turn; nothing changes for one that has asked."""
        self._lanes[account].expected.pop(submission, None)

    async def turn(
        self, account: str, model: str, caller: str, submission: str, *, weight: float = 1.0, first: bool = False
    ) -> None:
        """
        Return when the submission holds a slot. `first` puts it before the caller's others (it was here before);
        `weight` is the caller's share while others wait as well.
        """
        lane = self._lanes[account]
        waiter = Waiter(caller, submission, model, asyncio.get_running_loop().create_future(), weight)
        lane.expected.pop(submission, None)
        lane.line.join(waiter, first=first)
        self._depth(account, len(lane.line))
        self._stir(lane)
        try:
            await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release(account, submission)
            else:
                lane.line.leave(waiter)
                self._depth(account, len(lane.line))
            raise

    def before(self, account: str, submission: str) -> int | None:
        """How many submissions that wait came earlier; None when this one does not wait."""
        lane = self._lanes.get(account)
        return None if lane is None else lane.line.before(submission)

    async def adopt(self, account: str, model: str, submission: str) -> None:
        """A task that another process has begun runs on: it takes up a slot, also past the ceilings."""
        self._lanes[account].running[submission] = model
        await self._slots.adopt(account, model, submission)

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
        lane.allowed = min(lane.ceiling, max(1, lane.active))

    async def close(self) -> None:
        serving = [lane.serving for lane in self._lanes.values() if lane.serving is not None]
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, *serving, return_exceptions=True)

    def _width(self, lane: _Lane, model: str) -> int:
        """How many of the model can run side by side."""
        return min(lane.allowed, self._nested.get(f"{lane.account}/{model}", lane.allowed))

    def _narrow(self, account: str) -> Callable[[str], bool]:
        return lambda model: f"{account}/{model}" in self._nested

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
        while not lane.paused and lane.active < lane.allowed and (waiter := lane.line.next(full)) is not None:
            if not await self._slots.acquire(lane.account, waiter.model, waiter.submission):
                full.add(waiter.model)
            elif waiter.granted.done():
                # It left meanwhile. Its slot goes back before anybody else is served, as it may have come again.
                lane.freed.append(waiter.submission)
                lane.stirred = True
                return
            else:
                lane.running[waiter.submission] = waiter.model
                lane.line.went(waiter)
                self._depth(lane.account, len(lane.line))
                waiter.granted.set_result(None)
