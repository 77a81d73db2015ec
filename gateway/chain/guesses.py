"""
Guessing keys is slow: wrong ones cost an address tokens, which come back one at a time.

A key that has recently been right from the same address is not held up by its neighbours. A key that was never right
there is, whether it is right or not, or else a 401 among the 429s would tell the guesser something.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.domain.errors import TooManyFailures

# How long a key is remembered that was right, in seconds, and how many of one address.
RECENT_S = 3600.0
KEYS = 256


@dataclass(slots=True)
class _Origin:
    """What an address has left, as of `since`; the digests of keys that were right, with when they last were."""

    tokens: float
    since: float
    right: OrderedDict[bytes, float] = field(default_factory=OrderedDict)


class Guesses:
    """
    A bounded memory of addresses: the one unheard of for longest is forgotten first.

    Args:
        now: monotonic seconds.  burst: wrong keys at once.  every_s: seconds until one more may be tried.
        most: addresses remembered.
    """

    def __init__(self, now: Callable[[], float], *, burst: int = 10, every_s: float = 6.0, most: int = 10_000) -> None:
        self._now, self._burst, self._every_s, self._most = now, burst, every_s, most
        self._origins: OrderedDict[str, _Origin] = OrderedDict()

    def check(self, origin: str, key: bytes) -> None:
        """Before `key`, a digest, is looked at. Raises: TooManyFailures."""
        if (known := self._origins.get(origin)) is None:
            return
        missing = 1.0 - self._left(known)
        if missing <= 0 or known.right.get(key, float("-inf")) + RECENT_S > self._now():
            return
        raise TooManyFailures("Too many wrong API keys came from your address.", retry_after_s=missing * self._every_s)

    def wrong(self, origin: str) -> None:
        known = self._known(origin)
        known.tokens, known.since = max(0.0, self._left(known) - 1.0), self._now()

    def right(self, origin: str, key: bytes) -> None:
        known = self._known(origin)
        known.right[key] = self._now()
        known.right.move_to_end(key)
        if len(known.right) > KEYS:
            known.right.popitem(last=False)

    def _left(self, known: _Origin) -> float:
        return min(self._burst, known.tokens + (self._now() - known.since) / self._every_s)

    def _known(self, origin: str) -> _Origin:
        if origin not in self._origins:
            self._origins[origin] = _Origin(self._burst, self._now())
            if len(self._origins) > self._most:
                self._origins.popitem(last=False)
        self._origins.move_to_end(origin)
        return self._origins[origin]
