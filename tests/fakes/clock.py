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
