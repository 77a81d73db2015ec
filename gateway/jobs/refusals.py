"""
What was refused before any job: it has lost nothing, so its repetition is an order of its own.

An SDK that was told 429 sends the same request again and says so, exactly as it does when it lost an answer. Without
this, one that was refused while an equal request was served would get that one's pictures in place of its own.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

# An SDK's own pause is at most a minute, which is also the longest `retry-after`; then the upload has to come in.
REMEMBERED_S = 180.0
MOST, MOST_ALIKE = 10_000, 100


class Refusals:
    """Counted by caller and mark, for a while. `now` is monotonic, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._told: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], tuple[str | None, float]] = OrderedDict()

    def note(self, caller: str, mark: str | None) -> None:
        """
        A request was answered with a refusal, unpaid. `mark` is its fingerprint, or its `shape` when nothing of it was
        read; None says nothing of it.
        """
        now = self._now()
        while self._told and (len(self._told) >= MOST or next(iter(self._told.values()))[-1] <= now - REMEMBERED_S):
            self._told.popitem(last=False)
        if mark is not None:
            self._told.setdefault((caller, mark), deque(maxlen=MOST_ALIKE)).append(now)
            self._told.move_to_end((caller, mark))

    def read(self, caller: str, fingerprint: str, shape: str | None) -> None:
        """A request of this shape was read: what was refused unread may have been any of those that look like it."""
        now = self._now()
        while self._seen and (len(self._seen) >= MOST or next(iter(self._seen.values()))[1] <= now - REMEMBERED_S):
            self._seen.popitem(last=False)
        if shape is not None:
            only, _ = self._seen.pop((caller, shape), (fingerprint, now))
            self._seen[caller, shape] = (only if only == fingerprint else None, now)

    def take(self, caller: str, fingerprint: str, shape: str | None) -> bool:
        """
        True, once for each refusal, when this repetition is that of a refused request. Of those that were refused
        unread only while all requests of that shape are the same: else it may be of one that was paid.
        """
        if self._taken(caller, fingerprint):
            return True
        if shape is None or self._seen.get((caller, shape), (fingerprint,))[0] != fingerprint:
            return False
        return self._taken(caller, shape)

    def _taken(self, caller: str, mark: str) -> bool:
        if (told := self._told.get((caller, mark))) is None:
            return False
        at = told.pop()
        if not told:
            del self._told[caller, mark]
        return at > self._now() - REMEMBERED_S


def shape(route: str, length: int | None) -> str | None:
    """What tells requests apart of which nothing was read; `length` is their Content-Length, or None."""
    return None if length is None else f"{route} {length}"
