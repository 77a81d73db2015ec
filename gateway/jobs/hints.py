"""
What vendors' call-backs tell: which task a submission has, and that it may be over. A hint, never an outcome: whoever
waits asks after the task. Whether it came is the account's reputation, see `trust`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

from gateway.jobs.trust import LATE_S, Trust
from gateway.telemetry.catalogue import Catalogue

# A call-back for a submission whose answer was lost comes when its task is over; a slow one takes this long.
LOST_S = 120.0


def address(base: str, prefix: str, platform: str, job: str, index: int, mac: str) -> str:
    """The call-back URL of one submission below the operator's `base`, which may end with the prefix of every path."""
    return f"{base.removesuffix(prefix)}{prefix}/hooks/{platform}/{quote(job, safe='')}/{index}/{mac}"


class Hint:
    """
    One submission's.

    `task` is the id that was named, None before. `calls` counts the call-backs, `spent` those of them after which the
    vendor still said that the task is working.
    """

    def __init__(self, trust: Trust) -> None:
        self.trust, self.thin_s = trust, trust.thin_s()
        self.task: str | None = None
        self.calls = self.spent = 0
        self._told = asyncio.Event()

    def give(self, task: str) -> None:
        self.task = task
        self.calls += 1
        self._told.set()

    @property
    def fresh(self) -> bool:
        return self.calls > self.spent

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
        now: the clock by which a call-back is missing.
    """

    def __init__(self, key: Callable[[], bytes], prefix: str, metrics: Catalogue, now: Callable[[], float]) -> None:
        self._key, self._prefix, self._metrics, self._now = key, prefix, metrics, now
        self._listening: dict[tuple[str, int], Hint] = {}
        self._trusts: dict[str, Trust] = {}
        # Whose end a poll has found, until when the call may still come; oldest first.
        self._awaited: dict[tuple[str, int], tuple[Trust, float]] = {}

    def url(self, base: str, platform: str, job: str, index: int) -> str:
        """Where the vendor is to call about this submission."""
        return address(base, self._prefix, platform, job, index, self._mac("url", platform, job, index))

    def good(self, mac: str, platform: str, job: str, index: int) -> bool:
        """True for the end of an address that was given out for this submission."""
        return hmac.compare_digest(self._mac("url", platform, job, index).encode(), mac.encode("utf-8", "replace"))

    def secret(self, platform: str, job: str, index: int) -> str:
        """What the vendor is to show there."""
        return self._mac("secret", platform, job, index)

    def listen(self, platform: str, job: str, index: int) -> Hint:
        if (found := self._listening.get((job, index))) is None:
            if (trust := self._trusts.get(platform)) is None:
                trust = self._trusts[platform] = Trust(platform, self._metrics)
            found = self._listening[job, index] = Hint(trust)
        return found

    def leave(self, job: str, index: int) -> None:
        self._listening.pop((job, index), None)

    def give(self, job: str, index: int, task: str) -> bool:
        """False when nobody listens."""
        self.settle()
        if (awaited := self._awaited.pop((job, index), None)) is not None:
            awaited[0].late()
        hint = self._listening.get((job, index))
        if hint is not None:
            hint.give(task)
        return hint is not None

    def over(self, job: str, index: int, *, due: bool) -> None:
        """
        The task of a submission that somebody listens for is over.

        Args:
            due: a call-back about it has to come.
        """
        self.settle()
        hint = self._listening[job, index]
        if hint.fresh:
            hint.trust.in_time()
        elif due:
            hint.trust.overtaken()
            self._awaited[job, index] = hint.trust, self._now() + LATE_S

    def settle(self) -> None:
        """Count what has not come."""
        while self._awaited:
            name, (trust, until) = next(iter(self._awaited.items()))
            if self._now() < until:
                return
            del self._awaited[name]
            trust.missing()

    def _mac(self, *parts: object) -> str:
        return hmac.new(self._key(), "\n".join(map(str, parts)).encode("utf-8", "replace"), hashlib.sha256).hexdigest()
