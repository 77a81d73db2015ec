"""Time as an argument."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is monotonic and measures durations; `wall` is for stored stamps. Both in seconds."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """The work's result. Raises: TimeoutError after `seconds` on this clock; the work is cancelled then."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self.sleep(max(0.0, seconds)))
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise TimeoutError
        finally:
            timer.cancel()
            task.cancel()
            # A cancelled task may still have to give something back; its end is awaited, its result is not wanted.
            await asyncio.gather(task, return_exceptions=True)
