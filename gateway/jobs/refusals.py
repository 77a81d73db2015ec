"""
What was refused before any job: it has lost nothing, so its repetition is an order of its own.

An SDK that was told 429 sends the same request again and says so, exactly as it does when it lost an answer. Without
this, one that was refused while an equal request was served would get that one's pictures in place of its own.

Only requests that were read are remembered: one of which nothing but its length is known may be like another one that
was paid and whose answer was lost.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

# An SDK's own pause is at most a minute, which is also the longest `retry-after`; then the upload has to come in.
REMEMBERED_S = 180.0
MOST, MOST_ALIKE = 10_000, 100


class Refusals:
    """Counted by caller and fingerprint, for a while. `now` is monotonic, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._told: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def note(self, caller: str, fingerprint: str) -> None:
        """A request was answered with a refusal, unpaid."""
        now = self._now()
        while self._told and (len(self._told) >= MOST or next(iter(self._told.values()))[-1] <= now - REMEMBERED_S):
            self._told.popitem(last=False)
        self._told.setdefault((caller, fingerprint), deque(maxlen=MOST_ALIKE)).append(now)
        self._told.move_to_end((caller, fingerprint))

    def take(self, caller: str, fingerprint: str) -> bool:
        """True, once for each refusal, when this repetition is that of a refused request."""
        if (told := self._told.get((caller, fingerprint))) is None:
            return False
        at = told.pop()
        if not told:
            del self._told[caller, fingerprint]
        return at > self._now() - REMEMBERED_S
