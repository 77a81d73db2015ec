"""
Who is next: callers take turns by weight, each caller's own in the order they came.

Start-time fair queueing, with one turn as the length of everything. A caller's next turn has a virtual time; the
earliest goes, and the caller's following one is 1 / weight later, whichever model it was for. So everybody gets a
weighted max-min share of the account: who can only use a narrow model, one with a ceiling of its own, goes before those
who have had more turns elsewhere. https://doi.org/10.1145/248156.248171 (Goyal, Vin, Cheng: Start-time Fair Queuing)

Nobody saves up turns by being away, or by waiting for a model that is full: a caller counts as at most `LAG` behind the
present. Those who are `BEHIND` share a narrow model by a time of its own, which has no such end and in which their
other turns count as well. Nobody loses a debt by leaving for a moment.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Container
from math import inf

from gateway.jobs.ranking import Caller, Ranking, Row, Waiter

__all__ = ["Line", "Waiter"]

# In turns of the lightest that waits: while it has one, the times of all others spread as far as that.
LAG = 1.0
BEHIND = LAG / 2
# How far turns elsewhere can set a caller back in a narrow model, in the same measure.
LEAD = 2.0
# So many callers are remembered before it is looked who can be forgotten.
FEW = 64


class Line:
    """The line of one account. `narrow` tells whether a model has a ceiling of its own."""

    def __init__(self, narrow: Callable[[str], bool]) -> None:
        self._narrow = narrow
        self._callers: dict[str, Caller] = {}
        self._models: dict[str, Ranking] = defaultdict(Ranking)
        self._present, self._enough = 0.0, FEW
        self._waiters: dict[str, Waiter] = {}
        self._places: list[int] = []
        self._weights: list[float] = []
        self._first = self._last = 0
        self.waiting = Counter[str]()
        """How many wait, by model."""

    def __len__(self) -> int:
        return len(self._places)

    def join(self, waiter: Waiter, *, first: bool = False) -> None:
        """At the end, or before the caller's others."""
        caller = self._callers.setdefault(waiter.caller, Caller())
        if (row := caller.rows.get(waiter.model)) is None:
            row = caller.rows[waiter.model] = Row(caller)
            if self._narrow(waiter.model):
                present = self._models[waiter.model].present
                caller.times[waiter.model] = max(caller.times.get(waiter.model, present), present)
        if first:
            self._first -= 1
            waiter.place = self._first
            row.waiters.appendleft(waiter)
        else:
            self._last += 1
            waiter.place = self._last
            row.waiters.append(waiter)
        insort(self._places, waiter.place)
        insort(self._weights, waiter.weight)
        self._waiters[waiter.submission] = waiter
        self.waiting[waiter.model] += 1
        self._rank(waiter.model, row)

    def leave(self, waiter: Waiter) -> None:
        caller, ranking = self._callers[waiter.caller], self._models[waiter.model]
        row = caller.rows[waiter.model]
        ranking.drop(row)
        row.waiters.remove(waiter)
        if row.waiters:
            self._rank(waiter.model, row)
        else:
            del caller.rows[waiter.model]
        del self._places[bisect_left(self._places, waiter.place)]
        del self._weights[bisect_left(self._weights, waiter.weight)]
        if self._waiters.get(waiter.submission) is waiter:
            del self._waiters[waiter.submission]
        self.waiting[waiter.model] -= 1
        self._forget()

    def before(self, submission: str) -> int | None:
        """How many that wait came earlier, of all callers; None when it does not wait."""
        waiter = self._waiters.get(submission)
        return None if waiter is None else bisect_left(self._places, waiter.place)

    def next(self, full: Container[str]) -> Waiter | None:
        """Whose turn it is, among models that are not `full`."""
        edge, found = self._back(BEHIND), []
        for model, ranking in self._models.items():
            if model not in full:
                for row in ranking.overdue(edge):
                    self._rank(model, row)
                found.append(ranking.best())
        return min((each for each in found if each is not None), key=lambda each: each[0], default=(None, None))[1]

    def went(self, waiter: Waiter) -> None:
        """It had its turn, and is still in the line."""
        caller, ranking, step = self._callers[waiter.caller], self._models[waiter.model], 1 / waiter.weight
        begun = max(caller.time, self._back(LAG))
        self._present = max(self._present, begun)
        caller.time = begun + step
        ranking.present = max(ranking.present, caller.times.get(waiter.model, -inf))
        latest = LEAD / self._weights[0]
        for model, time in caller.times.items():
            caller.times[model] = min(time, self._models[model].present + latest) + step
        self.leave(waiter)
        for model, row in caller.rows.items():
            self._rank(model, row)

    def _back(self, turns: float) -> float:
        """The virtual time so many turns ago of the lightest that waits."""
        return self._present - turns / self._weights[0] if self._weights else -inf

    def _rank(self, model: str, row: Row) -> None:
        own = row.caller.times.get(model, row.caller.time)
        self._models[model].put(row, own, self._back(BEHIND))

    def _forget(self) -> None:
        """Callers that are away and owe nothing; all of them when nobody competes."""
        if not self._places:
            self._callers.clear()
            self._models.clear()
            self._present, self._enough = 0.0, FEW
        elif len(self._callers) > self._enough:
            floor = self._back(LAG)
            self._callers = {name: each for name, each in self._callers.items() if each.rows or self._owes(each, floor)}
            self._enough = max(FEW, 2 * len(self._callers))

    def _owes(self, caller: Caller, floor: float) -> bool:
        return caller.time > floor or any(time > self._models[model].present for model, time in caller.times.items())
