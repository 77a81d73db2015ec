"""Nobody is forgotten, nobody starves, and no ceiling is ever passed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from gateway.jobs.clock import Clock
from gateway.jobs.queue import PAUSE_LONGEST_S, PAUSE_S, Queue
from gateway.stores.slots import MemorySlots
from tests.fakes.clock import fast_clock
from tests.fakes.customer import until


class SlowSlots(MemorySlots):
    """Slots somewhere else: every verb takes a few turns of the loop, so that anything may happen meanwhile."""

    def __init__(self, ceilings: dict[str, int], dice: random.Random) -> None:
        super().__init__(ceilings)
        self._dice, self.most = dice, Counter[str]()

    async def acquire(self, account: str, model: str, submission: str) -> bool:
        await self._wait()
        found = await super().acquire(account, model, submission)
        await self._wait()
        for name, count in self._counts.items():
            self.most[name] = max(self.most[name], count)
        return found

    async def release(self, submission: str) -> None:
        await self._wait()
        await super().release(submission)

    async def _wait(self) -> None:
        for _ in range(self._dice.randrange(3)):
            await asyncio.sleep(0)


class Sleeper:
    """A clock on which sleepers wait until they are woken."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._woken = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._woken.wait()

    async def wake(self) -> None:
        self._woken.set()
        await settled()
        self._woken = asyncio.Event()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def queue(ceiling: int = 2, *, limit: int = 100, clock: Clock | None = None, **nested: int) -> Queue:
    slots = MemorySlots({"bfl": ceiling, **{f"bfl/{model}": most for model, most in nested.items()}})
    return Queue(slots, {"bfl": ceiling}, limit=limit, clock=clock or fast_clock(), chance=lambda: 0.0)


def turn(
    line: Queue, submission: str, *, caller: str = "ann", model: str = "pro", **options: Any
) -> asyncio.Task[None]:
    return asyncio.create_task(line.turn("bfl", model, caller, submission, **options), name=submission)


async def test_the_ceiling_and_the_next() -> None:
    """As many as the account allows go at once; each one that ends lets the next go, in order."""
    line = queue(2)
    turns = [turn(line, str(index)) for index in range(5)]
    await settled()
    assert [task.done() for task in turns] == [True, True, False, False, False]
    line.release("bfl", "1")
    await settled()
    assert [task.done() for task in turns] == [True, True, True, False, False]
    for task in turns[3:]:
        task.cancel()
    await asyncio.gather(*turns, return_exceptions=True)


async def test_a_models_own_ceiling_does_not_hold_up_others() -> None:
    """The narrow model is full: its next waits, those behind it with another model go."""
    line = queue(4, max=1)
    first, second = turn(line, "a", model="max"), turn(line, "b", model="max")
    third = turn(line, "c", model="pro")
    await settled()
    assert (first.done(), second.done(), third.done()) == (True, False, True)
    line.release("bfl", "a")
    await asyncio.wait_for(second, 1)


async def test_callers_take_turns() -> None:
    """One with many jobs and one with a single job: the single one is served right after the first of the others."""
    line = queue(1)
    many = [turn(line, f"many-{index}", caller="many") for index in range(10)]
    one = turn(line, "one", caller="one")
    await settled()
    line.release("bfl", "many-0")
    await settled()
    assert one.done() and sum(task.done() for task in many) == 1
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)


async def test_who_was_pushed_back_goes_first() -> None:
    """A submission that the platform sent back is before its caller's others."""
    line = queue(1)
    await turn(line, "running")
    other, back = turn(line, "other"), turn(line, "back", first=True)
    await settled()
    line.release("bfl", "running")
    await settled()
    assert (back.done(), other.done()) == (True, False)
    other.cancel()


async def test_the_wait_is_estimated() -> None:
    """Nothing when a slot is free, rounds of the typical time after that, and None when the queue is full."""
    line = queue(2, limit=3)
    assert line.wait_s("bfl", 2, 7.0) == 0.0
    assert line.wait_s("bfl", 3, 7.0) == 7.0
    assert line.wait_s("bfl", 5, 7.0) == 14.0
    assert line.wait_s("bfl", 6, 7.0) is None
    turns = [turn(line, str(index)) for index in range(5)]
    await settled()
    assert line.wait_s("bfl", 1, 7.0) is None
    for task in turns:
        task.cancel()
    await asyncio.gather(*turns, return_exceptions=True)


async def test_a_refusal_pauses_the_account() -> None:
    """After a 429 nobody goes until the pause is over, then one at a time, one more with each acceptance."""
    sleeper = Sleeper()
    line = queue(3, clock=Clock(sleep=sleeper.sleep))
    turns = [turn(line, str(index)) for index in range(6)]
    await settled()
    for index in (0, 1, 2):
        line.pushed_back("bfl", str(index), None)
    await settled()
    assert sum(task.done() for task in turns) == 3
    assert sleeper.asked == [PAUSE_S], "three refusals of one burst are one pause"
    assert line.wait_s("bfl", 1, 0.0) == PAUSE_S
    await sleeper.wake()
    assert sum(task.done() for task in turns) == 4
    line.accepted("bfl")
    await settled()
    assert sum(task.done() for task in turns) == 5
    line.accepted("bfl")
    await settled()
    assert sum(task.done() for task in turns) == 6
    await line.close()


async def test_pauses_grow_and_end() -> None:
    """Each further refusal doubles the pause up to the longest, whatever Retry-After says; an acceptance forgets it."""
    sleeper = Sleeper()
    line = queue(1, clock=Clock(sleep=sleeper.sleep))
    for retry_after in (None, 5.0, 999_999.0, 0.0):
        await asyncio.wait_for(turn(line, "a"), 1)
        line.pushed_back("bfl", "a", retry_after)
        await settled()
        await sleeper.wake()
    assert sleeper.asked == [PAUSE_S, 5.0, PAUSE_LONGEST_S, PAUSE_LONGEST_S]
    await asyncio.wait_for(turn(line, "a"), 1)
    line.accepted("bfl")
    line.pushed_back("bfl", "a", None)
    await settled()
    assert sleeper.asked[-1] == PAUSE_S
    await line.close()


async def test_a_slot_that_is_given_back_later() -> None:
    """A lost answer keeps its slot for a while, and no longer."""
    sleeper = Sleeper()
    line = queue(1, clock=Clock(sleep=sleeper.sleep))
    await turn(line, "lost")
    line.release_later("bfl", "lost", 120.0)
    following = turn(line, "next")
    await settled()
    assert not following.done() and sleeper.asked == [120.0]
    await sleeper.wake()
    await asyncio.wait_for(following, 1)


async def test_cancelled_at_the_moment_of_its_turn() -> None:
    """A turn that was granted and not taken goes to the next."""
    line = queue(1)
    await turn(line, "running")
    leaving, following = turn(line, "leaving"), turn(line, "next")
    await settled()
    line.release("bfl", "running")
    while not leaving.done():
        lane = line._lanes["bfl"]
        if lane.active == 1 and "ann" in lane.callers and lane.waiting == 1:
            leaving.cancel()
        await asyncio.sleep(0)
    await asyncio.wait_for(following, 1)
    assert line._lanes["bfl"].active == 1


@pytest.mark.parametrize("seed", range(25))
async def test_nobody_is_forgotten(seed: int) -> None:
    """Random arrivals, departures, refusals and ends on slow slots: who stays is served, every slot comes back."""
    dice = random.Random(seed)
    slots = SlowSlots({"bfl": 5, "bfl/max": 2}, dice)
    depths: list[int] = []
    line = Queue(
        slots,
        {"bfl": 5},
        limit=1000,
        clock=fast_clock(20_000.0),
        chance=dice.random,
        depth=lambda _account, depth: depths.append(depth),
    )
    served, active = set[str](), Counter[str]()

    async def live(name: str, model: str) -> None:
        for attempt in range(dice.randrange(1, 4)):
            await line.turn("bfl", model, f"caller-{dice.randrange(4)}", name, first=attempt > 0)
            active.update(("all", model))
            assert active["all"] <= 5 and active["max"] <= 2
            try:
                for _ in range(dice.randrange(6)):
                    await asyncio.sleep(0)
                if dice.random() < 0.7:
                    line.accepted("bfl")
            finally:
                active.subtract(("all", model))
                if dice.random() < 0.2:
                    line.pushed_back("bfl", name, None)
                else:
                    line.release("bfl", name)
        served.add(name)

    staying: list[asyncio.Task[None]] = []
    leaving: list[asyncio.Task[None]] = []
    for index in range(60):
        task = asyncio.create_task(live(str(index), dice.choice(("pro", "max"))))
        (leaving if dice.random() < 0.4 else staying).append(task)
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
        if leaving and dice.random() < 0.5:
            dice.choice(leaving).cancel()
    for task in leaving:
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*staying)
        await asyncio.gather(*leaving, return_exceptions=True)
    lane = line._lanes["bfl"]
    await until(lambda: lane.serving is None and not lane.paused)
    assert len(served) >= len(staying)
    assert (lane.active, lane.waiting, depths[-1], dict(lane.callers)) == (0, 0, 0, {})
    assert not slots._held and not +slots._counts
    assert slots.most["bfl"] <= 5 and slots.most["bfl/max"] <= 2
    await line.close()
