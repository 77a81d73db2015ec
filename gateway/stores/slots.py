"""Slots in memory: nested ceilings for one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class MemorySlots:
    """Implements `Slots`. `ceilings` maps an account, and `account/model` pairs, to their limits."""

    def __init__(self, ceilings: Mapping[str, int]) -> None:
        self._ceilings = dict(ceilings)
        self._held: dict[str, tuple[str, str]] = {}
        self._counts: Counter[str] = Counter()

    def configure(self, ceilings: Mapping[str, int]) -> None:
        """
        Other ceilings from now on; who holds a slot keeps it. An account that is not named any more keeps its own, for
        the tasks it has left.
        """
        self._ceilings = of_others(self._ceilings, ceilings) | dict(ceilings)

    async def acquire(self, account: str, model: str, submission: str) -> bool:
        if submission in self._held:
            return True
        pair = (account, f"{account}/{model}")
        if any(name in self._ceilings and self._counts[name] >= self._ceilings[name] for name in pair):
            return False
        self._held[submission] = pair
        self._counts.update(pair)
        return True

    async def adopt(self, account: str, model: str, submission: str) -> None:
        if submission not in self._held:
            pair = self._held[submission] = (account, f"{account}/{model}")
            self._counts.update(pair)

    async def renew(self, submission: str) -> None:
        """Nothing to renew: the process that holds a slot here is the one that would lose it."""

    async def release(self, submission: str) -> None:
        if pair := self._held.pop(submission, None):
            self._counts.subtract(pair)


def of_others(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """Of the old ceilings those of accounts, and of their models, that the new ones do not name."""
    return {name: most for name, most in old.items() if name.partition("/")[0] not in new}
