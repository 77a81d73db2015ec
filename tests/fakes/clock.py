"""A clock that runs faster than the wall, so that nobody waits: seconds of the program are milliseconds of the test."""

from __future__ import annotations

import asyncio
import time

from gateway.jobs.clock import Clock


def fast_clock(factor: float = 100.0) -> Clock:
    """Everything that asks this clock, or sleeps on it, lives `factor` times faster."""
    begun, wall = time.monotonic(), time.time()

    def now() -> float:
        return (time.monotonic() - begun) * factor

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
