"""An event loop in a thread of its own, for what has to be answered however busy the other one is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """`async with` starts it, and ends it once all that was begun in it is closed."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    async def __aenter__(self) -> LoopThread:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._loop.close()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns or raises over there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class Pulse:
    """
    Whether a loop still turns, as another thread sees it.

    Args:
        now: monotonic seconds, the same in every thread.
        longest_s: without a turn for longer than this it hangs.
    """

    def __init__(self, now: Callable[[], float], longest_s: float) -> None:
        self._now, self._longest_s = now, longest_s
        self._last = now()

    def beats(self) -> bool:
        return self._now() - self._last <= self._longest_s

    async def beat(self) -> None:
        """For as long as the loop turns."""
        while True:
            self._last = self._now()
            await asyncio.sleep(self._longest_s / 8)
