"""The gateway's time in tests: that of the loop, which leaps where it can (see `loop`)."""

from __future__ import annotations

import asyncio
import time

from gateway.jobs.clock import Clock


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
