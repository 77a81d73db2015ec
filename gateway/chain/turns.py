"""
So much a turn of the event loop, and the rest in the order it came.

A loop looks at its sockets once a turn: what thousands bring at the same moment, begun at once, is one turn of seconds
in which nobody else is heard. Counted by turns it sets its own pace: the longer they take, the less is begun. Nobody
holds a place, so that whoever is slow afterwards keeps nobody out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

# Begins something; False when there was nothing left to begin.
Work = Callable[[], bool]


# More than this is a flood, until nobody waits: it matters more that everybody else is heard than what one turn costs.
LONG = 64


class Turns:
    """
    At most `each` works are begun in one turn of the loop that this is used in, and `fewest` in a flood.
    """

    def __init__(self, each: int, fewest: int | None = None) -> None:
        self._each, self._fewest = each, each if fewest is None else fewest
        self._most, self._begun, self._ends = each, 0, False
        self._waiting = deque[Work]()

    @property
    def crowded(self) -> bool:
        """True while somebody waits."""
        return bool(self._waiting)

    def soon(self, work: Work) -> None:
        """Now, if this turn takes one more, else in a later one."""
        if self._waiting or self._begun >= self._most:
            self._append(work)
        else:
            self._begin(work)

    async def wait(self) -> bool:
        """Return when it is the caller's turn. False when it was so at once."""
        if not self._waiting and self._begun < self._most:
            self._begin(_nothing)
            return False
        turn = asyncio.get_running_loop().create_future()
        self._append(partial(_wake, turn))
        await turn
        return True

    def finish(self) -> None:
        """Begin all who wait, at once."""
        while self._waiting:
            self._waiting.popleft()()

    def _append(self, work: Work) -> None:
        self._waiting.append(work)
        if len(self._waiting) >= LONG:
            self._most = self._fewest

    def _begin(self, work: Work) -> None:
        self._begun += work()
        if not self._ends:
            self._ends = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._begun, self._ends = 0, False
        while self._waiting and self._begun < self._most:
            self._begin(self._waiting.popleft())
        if not self._waiting:
            self._most = self._each


def _nothing() -> bool:
    return True


def _wake(turn: asyncio.Future[None]) -> bool:
    """False for one whose waiter has gone."""
    if turn.done():
        return False
    turn.set_result(None)
    return True
