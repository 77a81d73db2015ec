"""
Who is next: callers take turns by weight, each caller's own in the order they came.

Start-time fair queueing, with one turn as the length of everything. A caller's next turn has a virtual time; the
earliest goes, and the caller's following one is 1 / weight later. A newcomer starts at the present virtual time, so
nobody saves up turns by being away, and nobody loses a debt by leaving for a moment.
https://doi.org/10.1145/248156.248171 (Goyal, Vin, Cheng: Start-time Fair Queuing)

Models with a ceiling of their own are shared out by a virtual time of their own besides: a caller whose model is full
waits without holding others up, and without saving up turns of the whole account meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

# The share that everybody competes for; the others are called by their model.
ALL = ""


@dataclass(slots=True, eq=False)
class Waiter:
    """One submission in the line; `granted` is done when it has left or got its turn. `place` is by arrival."""

    caller: str
    submission: str
    model: str
    granted: asyncio.Future[None]
    weight: float = 1.0
    place: int = 0


class Line:
    """The line of one account. `narrow` tells whether a model has a ceiling of its own."""

    def __init__(self, narrow: Callable[[str], bool]) -> None:
        self._narrow = narrow
        self._callers: dict[str, dict[str, deque[Waiter]]] = {}
        self._times: dict[tuple[str, str], float] = {}
        self._present: dict[str, float] = {}
        self._first = self._last = 0
        self.waiting = Counter[str]()
        """How many wait, by model."""

    def __len__(self) -> int:
        return self.waiting.total()

    def join(self, waiter: Waiter, *, first: bool = False) -> None:
        """At the end, or before the caller's others."""
        models = self._callers.setdefault(waiter.caller, {})
        line = models.setdefault(waiter.model, deque())
        if first:
            self._first -= 1
            waiter.place = self._first
            line.appendleft(waiter)
        else:
            self._last += 1
            waiter.place = self._last
            line.append(waiter)
        for share in (ALL, waiter.model):
            self._times[waiter.caller, share] = max(self._time(waiter.caller, share), self._now(share))
        self.waiting[waiter.model] += 1

    def leave(self, waiter: Waiter) -> None:
        models = self._callers[waiter.caller]
        models[waiter.model].remove(waiter)
        if not models[waiter.model]:
            del models[waiter.model]
        if not models:
            del self._callers[waiter.caller]
        self.waiting[waiter.model] -= 1
        if not self._callers:  # nobody competes: nothing is owed
            self._times.clear()
            self._present.clear()

    def before(self, submission: str) -> int | None:
        """How many that wait came earlier, of all callers; None when it does not wait."""
        every = [waiter for models in self._callers.values() for line in models.values() for waiter in line]
        place = next((waiter.place for waiter in every if waiter.submission == submission), None)
        return None if place is None else sum(waiter.place < place for waiter in every)

    def next(self, full: Container[str]) -> Waiter | None:
        """Whose turn it is, among models that are not `full`."""
        wide: list[Waiter] = []
        narrow: dict[str, Waiter] = {}
        for waiter in self._heads(full):
            model = waiter.model
            if not self._narrow(model):
                wide.append(waiter)
            elif model not in narrow or self._order(waiter, model) < self._order(narrow[model], model):
                narrow[model] = waiter
        return min((*wide, *narrow.values()), key=lambda waiter: self._order(waiter, ALL), default=None)

    def went(self, waiter: Waiter) -> None:
        """It had its turn, and is still in the line."""
        for share in (ALL, waiter.model):
            begun = self._time(waiter.caller, share)
            self._present[share] = max(self._now(share), begun)
            self._times[waiter.caller, share] = begun + 1 / waiter.weight
        for caller in self._callers:  # who could not use a turn has not saved it up
            self._times[caller, ALL] = max(self._time(caller, ALL), self._now(ALL))
        self.leave(waiter)

    def _heads(self, full: Container[str]) -> Iterator[Waiter]:
        """
        The first of each caller's that can go: what lies behind it must not stand in the way of others who wait for the
        same model.
        """
        for models in self._callers.values():
            lines = (line for model, line in models.items() if model not in full)
            found = [head for line in lines if (head := next((w for w in line if not w.granted.done()), None))]
            if found:
                yield min(found, key=lambda waiter: waiter.place)

    def _now(self, share: str) -> float:
        return self._present.get(share, 0.0)

    def _time(self, caller: str, share: str) -> float:
        return self._times.get((caller, share), 0.0)

    def _order(self, waiter: Waiter, share: str) -> tuple[float, int]:
        return self._time(waiter.caller, share), waiter.place
