"""
Who goes next: a bounded queue per account, fair between callers.

Callers take turns by weight (see `line`), so one with a thousand jobs does not starve another. How many go side by side
is bounded twice: by the operator's ceilings, which the slots keep, and by what the vendor bears (see `concurrency`).
A submission whose answer was lost, and a task past its age, may run or not: others take their places, and the vendor's
own refusals, which are free, say whether there was room.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from types import MappingProxyType

from gateway.domain.errors import GatewayError, PlatformBusy
from gateway.jobs.clock import Clock
from gateway.jobs.concurrency import ConcurrencyLimit
from gateway.jobs.estimate import rounds
from gateway.jobs.lane import ALL, Lane, Places
from gateway.jobs.line import Line, Waiter
from gateway.stores.contract import Slots
from gateway.stores.slots import of_others

# Submissions whose answers were lost keep slots of their own up to this share of a ceiling.
LOST_SHARE = 1 / 8
# When the vendor has refused everything for so long, whoever has waited for as long is told.
STANDSTILL_S = 20.0


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
        self._lanes: dict[str, Lane] = {}
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
                line = Line(self._narrow(account))
                lane = self._lanes[account] = Lane(account, ceiling, line, {ALL: ConcurrencyLimit(ceiling)})
            lane.ceiling = ceiling
            lane.limits[ALL].configure(ceiling)
            own = {
                name.removeprefix(f"{account}/"): most
                for name, most in nested.items()
                if name.startswith(f"{account}/")
            }
            for model in lane.limits.keys() - {ALL, *own}:
                del lane.limits[model]
            for model, most in own.items():
                lane.limits.setdefault(model, ConcurrencyLimit(most)).configure(most)
            if len(lane.line):
                self._stir(lane)

    def wait_s(self, account: str, model: str, more: int, typical_s: float) -> float | None:
        """
        How long the last of `more` further submissions would wait for its slot, in seconds; None when the line is full.

        Counted in rounds of `typical_s`, as if every task took that long and the running ones had just begun, and as
        if all others who wait went first: rather too long than too short. The task's own time is not part of it.
        """
        lane, now = self._lanes[account], self._clock.now()
        allowed = lane.limits[ALL].expected(now)
        width, running = self._width(lane, model), Counter(lane.running.values())
        free = max(0, min(width - running[model], allowed - running.total()))
        waiting = lane.line.waiting + Counter(lane.expected.values())
        if waiting[model] + more > self._limit + free:
            return None
        load = running + waiting + Counter({model: more})
        needed = rounds(model, load, allowed, lambda other: self._width(lane, other))
        return max((needed - 1) * typical_s, *(limit.paused_s(now) for limit in lane.shares(model)))

    def check(self, account: str, model: str) -> None:
        """Raises: PlatformBusy when others wait already for a vendor that refuses everything."""
        lane, now = self._lanes[account], self._clock.now()
        if lane.line.waiting[model] and (still := self._still(lane, model, now)) is not None:
            raise still

    def expect(self, account: str, model: str, submissions: Iterable[str]) -> None:
        """These are about to ask for their turns: they count as waiting until they do, or are not expected any more."""
        self._lanes[account].expected |= dict.fromkeys(submissions, model)

    def expect_no_more(self, account: str, submission: str) -> None:
        """It has ended without asking for its turn, or for another one; nothing changes for one that waits."""
        lane = self._lanes[account]
        lane.expected.pop(submission, None)
        if submission not in lane.waiting:
            lane.since.pop(submission, None)

    async def turn(
        self, account: str, model: str, caller: str, submission: str, *, weight: float = 1.0, first: bool = False
    ) -> None:
        """
        Return when the submission holds a slot. `first` puts it before the caller's others (it was here before);
        `weight` is the caller's share while others wait as well.

        Raises: PlatformBusy when the vendor refuses everything for too long; what `refuse` was given.
        """
        lane = self._lanes[account]
        waiter = Waiter(caller, submission, model, asyncio.get_running_loop().create_future(), weight)
        lane.expected.pop(submission, None)
        lane.line.join(waiter, first=first)
        lane.waiting[submission] = waiter
        lane.since.setdefault(submission, self._clock.now())
        self._depth(account, len(lane.line))
        self._stir(lane)
        try:
            await waiter.granted
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self.release(account, submission)
            else:
                lane.line.leave(waiter)
                lane.since.pop(submission, None)
                self._depth(account, len(lane.line))
            raise
        finally:
            if lane.waiting.get(submission) is waiter:
                del lane.waiting[submission]

    def refuse(self, account: str, why: Callable[[], GatewayError], *, model: str | None = None) -> None:
        """Nobody who waits for the account, or for one model of it, can be served before long: tell them all."""
        if (lane := self._lanes.get(account)) is not None:
            for waiter in lane.waiting.values():
                if model in (None, waiter.model):
                    _tell(waiter, why())

    def moves(self, account: str, model: str) -> bool:
        """True when tasks are worked that make room for the model when they end."""
        return next(self._lanes[account].shares(model)).working > 0

    def before(self, account: str, submission: str) -> int | None:
        """How many submissions that wait came earlier; None when this one does not wait."""
        lane = self._lanes.get(account)
        return None if lane is None else lane.line.before(submission)

    def places(self, account: str) -> Places:
        """How the account's slots and its line stand; also for another thread."""
        return self._lanes[account].places(self._clock.now())

    # What becomes of a submission that had its turn.

    async def adopt(self, account: str, model: str, submission: str) -> None:
        """A task that nobody had a turn for, or was lost, runs: it takes up a slot, also past the ceilings."""
        lane = self._lanes[account]
        self._forget(lane, submission)
        if submission in lane.freed:
            lane.freed.remove(submission)
        lane.running[submission] = model
        for limit in lane.shares(model):
            limit.adopted(submission, self._clock.now())
        await self._slots.adopt(account, model, submission)

    def accepted(self, account: str, submission: str, late_in_s: float) -> None:
        """The vendor took it; practically all such tasks have ended `late_in_s` seconds from now."""
        lane, now = self._lanes[account], self._clock.now()
        lane.since.pop(submission, None)
        if (model := lane.running.get(submission)) is None:
            return
        for limit in lane.shares(model):
            limit.accepted(submission, now)
        heappush(lane.ages, (now + late_in_s, submission))
        if len(lane.line):
            self._stir(lane)

    def pushed_back(self, account: str, submission: str, retry_after_s: float | None) -> None:
        """The vendor said 429: take the slot back. It goes to the narrowest ceiling that can be meant."""
        lane = self._lanes[account]
        if (model := lane.running.pop(submission, None)) is not None:
            meant, *others = lane.shares(model)
            meant.refused(submission, self._clock.now(), retry_after_s, self._chance())
            for limit in others:
                limit.ended(submission)
        lane.freed.append(submission)
        self._stir(lane)

    def lost(self, account: str, submission: str, for_s: float) -> None:
        """Nobody knows whether the submission's task runs; it is over `for_s` seconds from now if it does."""
        lane = self._lanes[account]
        if for_s <= 0 or (model := lane.running.pop(submission, None)) is None:
            self.release(account, submission)
            return
        lane.since.pop(submission, None)
        lane.unknown[submission] = model
        for limit in lane.shares(model):
            limit.uncounted(submission)
        names = (ALL, model)
        if all(lane.keeping[name] < int(LOST_SHARE * self._most(lane, name)) for name in names):
            lane.keeping.update(names)
            lane.kept[submission] = names
        else:
            lane.freed.append(submission)
        lane.lost[submission] = self._later(for_s, lambda: self.release(account, submission))
        self._stir(lane)

    def silent(self, account: str, submission: str, *, silent: bool) -> None:
        """Whether the vendor has said nothing of use about its task for long."""
        among = self._lanes[account].silent
        (among.add if silent else among.discard)(submission)

    def release(self, account: str, submission: str) -> None:
        """The submission's task has ended."""
        lane = self._lanes[account]
        lane.since.pop(submission, None)
        if (model := lane.running.pop(submission, None)) is None:
            model = self._forget(lane, submission)
        if model is not None:
            for limit in lane.shares(model):
                limit.ended(submission)
        lane.freed.append(submission)
        self._stir(lane)

    async def close(self) -> None:
        serving = [lane.serving for lane in self._lanes.values() if lane.serving is not None]
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, *serving, return_exceptions=True)

    @staticmethod
    def _forget(lane: Lane, submission: str) -> str | None:
        """Lost or past its age no more. Its model if it was one of these."""
        if (timer := lane.lost.pop(submission, None)) is not None:
            timer.cancel()
        lane.keeping.subtract(lane.kept.pop(submission, ()))
        return lane.unknown.pop(submission, None) or lane.over_age.pop(submission, None)

    def _most(self, lane: Lane, share: str) -> int:
        return lane.ceiling if share == ALL else self._nested.get(f"{lane.account}/{share}", lane.ceiling)

    def _width(self, lane: Lane, model: str) -> int:
        """How many of the model can run side by side."""
        now = self._clock.now()
        return min(self._most(lane, model), *(limit.expected(now) for limit in lane.shares(model)))

    def _narrow(self, account: str) -> Callable[[str], bool]:
        return lambda model: f"{account}/{model}" in self._nested

    def _later(self, after_s: float, work: Callable[[], None]) -> asyncio.Task[None]:
        async def run() -> None:
            await self._clock.sleep(after_s)
            work()

        timer = asyncio.create_task(run())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)
        return timer

    def _stir(self, lane: Lane) -> None:
        """Something has changed: see who can go."""
        lane.stirred = True
        if lane.serving is None:
            lane.serving = asyncio.create_task(self._serve(lane), name=f"queue {lane.account}")

    async def _serve(self, lane: Lane) -> None:
        try:
            while lane.stirred:
                lane.stirred = False
                self._age(lane, self._clock.now())
                while lane.freed:
                    await self._slots.release(lane.freed.popleft())
                await self._grant(lane)
            self._tell_standstill(lane)
            self._set_alarm(lane)
        finally:
            lane.serving = None

    async def _grant(self, lane: Lane) -> None:
        full = set[str]()
        while (now := self._clock.now()) >= lane.limits[ALL].opens_at(now):
            full |= {model for model, limit in lane.limits.items() if model != ALL and limit.opens_at(now) > now}
            if (waiter := lane.line.next(full)) is None:
                return
            if not await self._slots.acquire(lane.account, waiter.model, waiter.submission):
                full.add(waiter.model)
            elif waiter.granted.done():
                # It left meanwhile. Its slot goes back before anybody else is served, as it may have come again.
                lane.freed.append(waiter.submission)
                lane.stirred = True
                return
            else:
                lane.running[waiter.submission] = waiter.model
                for limit in lane.shares(waiter.model):
                    limit.sent(waiter.submission, now)
                lane.line.went(waiter)
                self._depth(lane.account, len(lane.line))
                waiter.granted.set_result(None)

    def _age(self, lane: Lane, now: float) -> None:
        """Give the slots of tasks past their age to others."""
        while lane.ages and lane.ages[0][0] <= now:
            _, submission = heappop(lane.ages)
            if (model := lane.running.pop(submission, None)) is not None:
                lane.over_age[submission] = model
                for limit in lane.shares(model):
                    limit.uncounted(submission)
                lane.freed.append(submission)

    def _still(self, lane: Lane, model: str, now: float) -> PlatformBusy | None:
        still_s = max(limit.still_s(now) for limit in lane.shares(model))
        if still_s < STANDSTILL_S:
            return None
        return PlatformBusy(
            f"The platform has refused every new task for {still_s:.0f} s; nothing was charged. Try again later.",
            retry_after_s=15,
        )

    def _tell_standstill(self, lane: Lane) -> None:
        now = self._clock.now()
        if max(limit.still_s(now) for limit in lane.limits.values()) >= STANDSTILL_S:
            for waiter in lane.waiting.values():
                still = self._still(lane, waiter.model, now)
                if still is not None and now - lane.since[waiter.submission] >= STANDSTILL_S:
                    _tell(waiter, still)

    def _set_alarm(self, lane: Lane) -> None:
        """Nobody may come by when time alone lets the next one go, so somebody has to look then."""
        if not len(lane.line):
            return
        now = self._clock.now()
        times = [limit.opens_at(now) for limit in lane.limits.values()]
        times += [at for at, _ in lane.ages[:1]]
        if max(limit.still_s(now) for limit in lane.limits.values()) >= STANDSTILL_S:
            times += [lane.since[submission] + STANDSTILL_S for submission in lane.waiting]
        if (at := min((at for at in times if at > now), default=None)) is None:
            return
        if lane.alarm is not None:
            if lane.alarm[0] <= at and not lane.alarm[1].done():
                return
            lane.alarm[1].cancel()
        lane.alarm = at, self._later(at - now, lambda: self._stir(lane))


def _tell(waiter: Waiter, why: GatewayError) -> None:
    if not waiter.granted.done():
        waiter.granted.set_exception(why)
