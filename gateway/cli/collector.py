"""
When Python looks for cycles among its objects.

A full look holds every thread for as long as it takes: 0.3 s with four thousand jobs under way, again and again while
they come, and with nothing found. What the program itself is made of is left out of it, the young generations stay as
they are, and the whole is looked at when there is little of it, or when that has not happened for long.
https://docs.python.org/3/library/gc.html
"""

from __future__ import annotations

import asyncio
import gc

from gateway.jobs.clock import Clock

# Objects made beyond those freed; generations of it. The last one is never reached.
YOUNG, MIDDLE, NEVER = 5_000, 10, 1_000_000
EVERY_S, LATEST_S = 60.0, 1800.0
# A connection at work has two or three.
FEW_TASKS = 50


def settle() -> None:
    """Once everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)


async def collect(clock: Clock) -> None:
    """For as long as the program lives."""
    last = clock.now()
    while True:
        await clock.sleep(EVERY_S)
        if len(asyncio.all_tasks()) <= FEW_TASKS or clock.now() - last >= LATEST_S:
            gc.collect()
            last = clock.now()
