"""The order in which callers have turns for one model."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field
from math import inf


@dataclass(slots=True, eq=False)
class Waiter:
    """One submission in the line; `granted` is done when it has left or got its turn. `place` is by arrival."""

    caller: str
    submission: str
    model: str
    granted: asyncio.Future[None]
    weight: float = 1.0
    place: int = 0


@dataclass(slots=True, eq=False)
class Caller:
    """
    `time` is the virtual time of its next turn, `times` the same in each model with a ceiling of its own; `rows` are
    its waiters by model.
    """

    time: float = -inf
    times: dict[str, float] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Row:
    """What waits of a caller for one model, and how it is ranked at present."""

    caller: Caller
    waiters: deque[Waiter] = field(default_factory=deque)
    behind: bool = False
    key: tuple[float, int] | None = None

    def first(self) -> Waiter | None:
        """Who goes first; None when all of them are about to leave."""
        return next((waiter for waiter in self.waiters if not waiter.granted.done()), None)


@dataclass(slots=True, eq=False)
class Ranking:
    """
    The rows of one model, each with a key that a change of row or caller makes outdated: `put` it again then.

    Those whose caller is behind go first, by the time of the model itself, whose `present` is kept here; all others by
    their caller's.
    """

    present: float = 0.0
    _ahead: list[tuple[float, int, Row]] = field(default_factory=list)
    _behind: list[tuple[float, int, Row]] = field(default_factory=list)

    def put(self, row: Row, own: float, edge: float) -> None:
        """`own` is the caller's time in this model; the caller is behind when its `time` is not after `edge`."""
        self.drop(row)
        row.behind = row.caller.time <= edge
        row.key = (own if row.behind else row.caller.time), row.waiters[0].place
        insort(self._behind if row.behind else self._ahead, (*row.key, row))

    def drop(self, row: Row) -> None:
        if row.key is not None:
            among = self._behind if row.behind else self._ahead
            del among[bisect_left(among, row.key)]  # a key comes before the same with its row
            row.key = None

    def overdue(self, edge: float) -> list[Row]:
        """Rows that have fallen behind since they were put."""
        return [row for _, _, row in self._ahead[: bisect_right(self._ahead, edge, key=lambda entry: entry[0])]]

    def best(self) -> tuple[tuple[bool, float, int], Waiter] | None:
        """Whose turn it is, with a key by which the best of several models can be compared; the least one goes."""
        for among in (self._behind, self._ahead):
            for time, _, row in among:
                if (waiter := row.first()) is not None:
                    return (not row.behind, 0.0 if row.behind else time, waiter.place), waiter
        return None
