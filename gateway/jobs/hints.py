"""
What vendors' call-backs tell: which task a submission has, and that it may be over. A hint, never an outcome: whoever
waits asks after the task.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

# Asked after this sparsely while a call-back is expected: some never come.
NET_S = 10.0
# A call-back for a submission whose answer was lost comes when its task is over; a slow one takes this long.
LOST_S = 120.0


class Hint:
    """One submission's. `task` is the id that was named, None before."""

    def __init__(self) -> None:
        self.task: str | None = None
        self._told = asyncio.Event()

    def give(self, task: str) -> None:
        self.task = task
        self._told.set()

    async def wait(self) -> None:
        """Return when there was a call-back that nobody has seen yet."""
        await self._told.wait()
        self._told.clear()


class Hints:
    """
    The addresses that vendors call, and who listens.

    Args:
        key: asked for what signs addresses and makes secrets, so that they are good in the next process as well.
        prefix: what the operator put before every path.
    """

    def __init__(self, key: Callable[[], bytes], prefix: str) -> None:
        self._key, self._prefix = key, prefix
        self._listening: dict[tuple[str, int], Hint] = {}

    def url(self, base: str, platform: str, job: str, index: int) -> str:
        """Where the vendor is to call about this submission."""
        place = f"{platform}/{quote(job, safe='')}/{index}"
        return f"{base.removesuffix(self._prefix)}{self._prefix}/hooks/{place}/{self._mac('url', platform, job, index)}"

    def good(self, mac: str, platform: str, job: str, index: int) -> bool:
        """True for the end of an address that was given out for this submission."""
        return hmac.compare_digest(self._mac("url", platform, job, index).encode(), mac.encode("utf-8", "replace"))

    def secret(self, platform: str, job: str, index: int) -> str:
        """What the vendor is to show there."""
        return self._mac("secret", platform, job, index)

    def listen(self, job: str, index: int) -> Hint:
        return self._listening.setdefault((job, index), Hint())

    def leave(self, job: str, index: int) -> None:
        self._listening.pop((job, index), None)

    def give(self, job: str, index: int, task: str) -> bool:
        """False when nobody listens."""
        hint = self._listening.get((job, index))
        if hint is not None:
            hint.give(task)
        return hint is not None

    def _mac(self, *parts: object) -> str:
        return hmac.new(self._key(), "\n".join(map(str, parts)).encode("utf-8", "replace"), hashlib.sha256).hexdigest()
