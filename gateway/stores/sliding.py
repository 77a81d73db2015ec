"""
A limit per minute, exactly: in no 60 seconds, wherever they begin, is more counted than the limit.

A bucket that refills would let twice as much through in its first minute.
"""

from __future__ import annotations

import math
from collections import deque

SPAN_S = 60.0
# What comes within a tick is one entry, and leaves with its last: some 600 entries at most, however much is counted.
TICK_S = 0.1


class Sliding:
    """What was counted in the last minute, in whole units. `now` is monotonic, in seconds, and never goes back."""

    def __init__(self) -> None:
        self.used = 0
        self._entries: deque[tuple[float, float, int]] = deque()  # its begin, its last, amount

    def forget(self, now: float) -> None:
        """Drop what is older than a minute."""
        while self._entries and self._entries[0][1] + SPAN_S <= now:
            self.used -= self._entries.popleft()[2]

    def add(self, now: float, amount: int) -> None:
        begin, before = now, 0
        if self._entries and now - self._entries[-1][0] < TICK_S:
            begin, _, before = self._entries.pop()
        self._entries.append((begin, now, before + amount))
        self.used += amount

    def remove(self, then: float, amount: int) -> None:
        """Take back what was added at `then`, if it still counts."""
        for place, (begin, last, all_of_it) in enumerate(self._entries):
            if begin <= then <= last:
                self._entries[place] = (begin, last, all_of_it - amount)
                self.used -= amount
                return

    def room_in(self, now: float, wanted: int, limit: int) -> float:
        """In how many seconds `wanted` more fit in; infinite when they never do."""
        left = self.used
        if left + wanted <= limit:
            return 0.0
        for _, last, amount in self._entries:
            left -= amount
            if left + wanted <= limit:
                return last + SPAN_S - now
        return math.inf

    def whole_in(self, now: float) -> float:
        """In how many seconds nothing of it is left."""
        return max(0.0, self._entries[-1][1] + SPAN_S - now) if self._entries else 0.0
