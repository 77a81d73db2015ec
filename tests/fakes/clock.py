"""The gateway's time in tests: that of the loop, which leaps where it can (see `loop`)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine, Mapping
from heapq import heappop, heappush
from typing import Any, TypeVar

from gateway.jobs.clock import Clock

T = TypeVar("T")
# Settings of `jobs` where the clock runs up to a hundred times faster than the machine: what a test does not wait for
# on purpose has half a minute of the machine's own time at least.
UNHURRIED: Mapping[str, float] = {
    "answer_within": 6000.0,
    "patience": 3000.0,
    "collect_within": 3000.0,
    "unanswered_within": 3000.0,
}
# More turns of the loop than anything here takes from one sleep to the next.
TURNS = 30


def loop_clock() -> Clock:
    """The running loop's own time."""
    return fast_clock(1.0)


def fast_clock(factor: float = 100.0) -> Clock:
    """
    Everything that asks this clock, or sleeps on it, lives `factor` times faster than the running loop; without one,
    as at the start of a process, than the wall.
    """
    try:
        clock = asyncio.get_running_loop().time
    except RuntimeError:
        clock = time.monotonic
    begun, wall = clock(), time.time()

    def now() -> float:
        return (clock() - begun) * factor

    return Clock(now=now, wall=lambda: wall + now(), sleep=lambda seconds: asyncio.sleep(seconds / factor))


class Calendar:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self.clock = Clock(now=lambda: self.time, wall=lambda: self.time, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class Agenda:
    """A clock that stands still while anybody has something to do; then the next sleeper's time comes."""

    def __init__(self) -> None:
        self.time = 0.0
        self.clock = Clock(now=lambda: self.time, wall=lambda: self.time, sleep=self.sleep)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self.time + seconds, next(self._count), woken))
        await woken

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Whatever else sleeps meanwhile wakes in its turn."""
        task = asyncio.ensure_future(work)
        while not task.done():
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if not task.done():
                self.time, _, woken = heappop(self._sleepers)
                if not woken.done():
                    woken.set_result(None)
        return task.result()
