"""
Pace: when to ask about a paid task again, learned from how long its model has recently taken.

Waiting costs the client time and a poll costs a request, so a poll is priced in seconds of waiting (`POLL_PRICE_S`)
and the cheapest schedule is followed. For completion times with hazard h(t) its density is sqrt(h(t) / (2 * price))
polls a second (J. B. Keller, Optimum Checking Schedules for Systems Subject to Random Failure, Management Science
21, 1974). The hazard is that of `durations`, in which everything that is not known counts as spread.

One frame of time: an instant is when an *answer arrives*, counted in seconds from the accepted submission. The half
round trip an answer needs to come home is thus part of what is learned, and no clock but the caller's is needed.
Lag, what this module minimizes, is counted from the first instant at which an answer could have told of the end:
`lag = arrival of the Ready answer - (completion + half a round trip)`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.jobs.durations import HIGH, LOW, Durations

# A poll is worth sending when it saves 27 ms of waiting. Chosen so that even tasks of 7 s with a spread of 0.3 are
# found sooner than by asking every half second, with 45 % fewer polls; a smaller spread gains more on both.
POLL_PRICE_S = 0.027
# Never more than ten questions a second about one task. Each poll spent raises the floor, so that no estimate, however
# wrong, can hammer the vendor: a task that never ends is asked about 220 times in 900 s.
MIN_WAIT_S, WAIT_GROWTH = 0.1, 1.08
# A refusal or an error may end a slow model's task early: look within 10 s first, then at least every 5 s.
MAX_FIRST_WAIT_S, MAX_WAIT_S = 10.0, 5.0
# The first poll stands for the whole time before it, so the best schedules (computed exactly) begin later.
FIRST_STEP = 1.8
# Nothing is called late before, however quick a model usually is; nor later than so many times what is usual.
LATE_LEAST_S, LATE_TIMES = 15.0, 3.0
# A share so small of its tasks ends later.
LATE_SHARE = 0.005

# A task is waited for with learning from those begun after it until it has taken twice as long as they, or so many are
# held up.
PATIENCE, MOST_HELD = 2.0, 32

# Steps of 2.5 %, below the smallest spread.
_STEPS = 400
_LOGS = [LOW + (HIGH - LOW) * i / _STEPS for i in range(_STEPS)]
_TIMES = [math.exp(log) for log in _LOGS]


@dataclass(frozen=True, slots=True)
class Prior:
    """What a platform's model table believes before the first task: log-normal median (seconds) and spread."""

    median_s: float
    sigma: float


class Pace:
    """The learned pace of one model of one platform. Not thread-safe; constant memory; about 2 µs a question."""

    def __init__(self, prior: Prior, *, rtt_s: float = 0.1) -> None:
        """rtt_s: a first guess at one poll's round trip."""
        self._durations = Durations(prior.median_s, prior.sigma)
        self._rtt = rtt_s
        self._effort: Sequence[float] = ()
        self._late_s: float | None = None
        self._order: dict[Watch, None] = {}
        self._held, self._longest_s = 0, 0.0

    def begin(self) -> Watch:
        """A task was accepted, and is going to be asked after."""
        watch = Watch(self)
        self._order[watch] = None
        return watch

    def observe(self, after_s: float, by_s: float) -> None:
        """
        A task was found to be over.

        Args:
            after_s: when the last answer "still working" arrived, 0 when the first poll already found it over.
            by_s: when the last answer arrived. Both in seconds since the submission was accepted.
        """
        self._durations.learn(after_s, by_s)
        self._effort, self._late_s = (), None

    def observe_rtt(self, seconds: float) -> None:
        """One answered poll took this long. Follows the median up to 1 s, so that one that hung weighs no more."""
        self._rtt = min(max(self._rtt * (1.05 if seconds > self._rtt else 1 / 1.05), 0.001), 1.0)

    def next_wait(self, elapsed_s: float, spent_polls: int) -> float:
        """
        Seconds from now until the next poll is sent, between MIN_WAIT_S and MAX_FIRST_WAIT_S.

        Args:
            elapsed_s: seconds since the submission was accepted; the last answer, if any, has just arrived.
            spent_polls: polls already sent for this task.
        """
        self._effort = self._effort or self._planned()
        effort = max(_between(elapsed_s, _TIMES, self._effort) + 1, FIRST_STEP)
        wait = _between(effort, self._effort, _TIMES) - elapsed_s - self._rtt if effort < self._effort[-1] else math.inf
        floor = MIN_WAIT_S * WAIT_GROWTH ** min(spent_polls, 100)
        return min(max(wait, floor), MAX_WAIT_S if spent_polls else MAX_FIRST_WAIT_S)

    def expected_s(self) -> float:
        """The median time a task takes, in seconds: for queue estimates and Retry-After."""
        return self._durations.typical_s()

    def late_s(self) -> float:
        """Practically every task has ended by then, in seconds since it was accepted."""
        if self._late_s is None:
            left = zip(_TIMES, self._durations.unfinished(_LOGS), strict=True)
            late_s = next((at for at, share in left if share < LATE_SHARE), math.inf)
            self._late_s = min(late_s, LATE_TIMES * self.expected_s())
        return max(LATE_LEAST_S, self._late_s)

    def found(self, watch: Watch) -> None:
        """Learn from what is over in the order in which it was begun: of many at once the fastest are over first."""
        if watch not in self._order:
            self.observe(*watch.took)
            return
        self._held += 1
        self._longest_s = max(self._longest_s, watch.took[1])
        self._settle()

    def left(self, watch: Watch) -> None:
        self._order.pop(watch, None)
        self._settle()

    def _settle(self) -> None:
        while self._held:
            first = next(iter(self._order))
            patient = self._held <= MOST_HELD and first.elapsed_s <= PATIENCE * self._longest_s
            if not first.over and patient:
                return
            del self._order[first]
            if first.over:
                self._held -= 1
                self.observe(*first.took)
        self._longest_s = 0.0

    def _planned(self) -> Sequence[float]:
        """The polls worth sending until each of _TIMES: made once for each completion, in about 0.2 ms."""
        left, effort = self._durations.unfinished(_LOGS), [0.0]
        # What is found out about a kind that is hardly known is worth further polls.
        price_s = POLL_PRICE_S * self._durations.known
        for i in range(1, _STEPS):
            hazard = math.log(left[i - 1] / left[i])
            effort.append(effort[-1] + math.sqrt(max(0.0, hazard) * (_TIMES[i] - _TIMES[i - 1]) / (2 * price_s)))
        return effort


class Watch:
    """One task that is asked after. Whoever has begun it tells its end by `found`, or that there is none to tell."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.elapsed_s, self.over = 0.0, False
        self.took = (0.0, 0.0)

    def next_wait(self, elapsed_s: float, spent_polls: int) -> float:
        """As `Pace.next_wait`."""
        self.elapsed_s = elapsed_s
        return self._pace.next_wait(elapsed_s, spent_polls)

    def found(self, after_s: float, by_s: float) -> None:
        """As `Pace.observe`, in its turn."""
        self.took, self.over = (after_s, by_s), True
        self._pace.found(self)

    def leave(self) -> None:
        """Nothing is to be learned from it; nothing happens when it was found over."""
        if not self.over:
            self._pace.left(self)


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The line through the points, at x; level beyond its ends."""
    i = bisect_right(xs, x)
    if i == 0 or i == len(xs):
        return ys[0] if i == 0 else ys[-1]
    return ys[i - 1] + (x - xs[i - 1]) / (xs[i] - xs[i - 1]) * (ys[i] - ys[i - 1])
