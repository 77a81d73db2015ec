"""
Pace: when to ask about a paid task again, learned from how long its model has recently taken.

Waiting costs the client time and a poll costs a request, so a poll is priced in seconds of waiting (`POLL_PRICE_S`)
and the cheapest schedule is followed. For completion times with hazard h(t) its density is sqrt(h(t) / (2 * price))
polls a second (J. B. Keller, Optimum Checking Schedules for Systems Subject to Random Failure, Management Science
21, 1974). Completion times are taken as log-normal; median and spread are learned task by task, from intervals,
because a poll only ever tells "not yet" or "already".

One frame of time: an instant is when an *answer arrives*, counted in seconds from the accepted submission. The half
round trip an answer needs to come home is thus part of what is learned, and no clock but the caller's is needed.
Lag, what this module minimizes, is counted from the first instant at which an answer could have told of the end:
`lag = arrival of the Ready answer - (completion + half a round trip)`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

# A poll is worth sending when it saves 30 ms of waiting. Chosen so that even tasks of 7 s with a spread of 0.3 are
# found sooner than by asking every half second, with 45 % fewer polls; a smaller spread gains more on both.
POLL_PRICE_S = 0.03
# Never more than ten questions a second about one task. Each poll spent raises the floor, so that no estimate, however
# wrong, can hammer the vendor: a task that never ends is asked about 220 times in 900 s.
MIN_WAIT_S, WAIT_GROWTH = 0.1, 1.08
# A refusal or an error may end a slow model's task early: look within 10 s first, then at least every 5 s.
MAX_FIRST_WAIT_S, MAX_WAIT_S = 10.0, 5.0
# The first poll stands for the whole time before it, so the best schedules (computed exactly) begin later.
FIRST_STEP = 1.8
# The prior counts as this many tasks; later each new task weighs 1 / MEMORY_TASKS.
PRIOR_TASKS, MEMORY_TASKS = 4, 32
# No single task is believed to be further out than this many spreads.
CLIP = 3.0
# When the last few tasks were off to one side by a spread on average, the vendor has changed: learn anew, from here.
SURPRISE_TASKS = 8
MIN_SIGMA, MAX_SIGMA = 0.03, 1.0
# Nothing is called late before, however quick a model usually is.
LATE_LEAST_S = 15.0

_ROOT_2 = math.sqrt(2)
_ROOT_2_PI = math.sqrt(2 * math.pi)
_Z_MIN, _Z_STEP, _Z_STEPS = -4.0, 0.1, 80


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / _ROOT_2_PI


def _below(z: float) -> float:
    return math.erfc(-z / _ROOT_2) / 2


def _root_hazard(z: float) -> float:
    return math.sqrt(_density(z) / _below(-z))


# Polls worth sending before z, up to a factor that depends on median, spread and price: the integral of sqrt(hazard)
# of the standard normal, which is all that the schedules of different models share. Straight on past the last z.
_EFFORT = (0.0, *accumulate(_Z_STEP * _root_hazard(_Z_MIN + _Z_STEP * (i + 0.5)) for i in range(_Z_STEPS)))
_LAST = _Z_STEPS - 1


def _effort(z: float) -> float:
    x = (z - _Z_MIN) / _Z_STEP
    if x <= 0:
        return 0.0
    i = min(int(x), _LAST)
    return _EFFORT[i] + (x - i) * (_EFFORT[i + 1] - _EFFORT[i])


def _z_after(effort: float) -> float:
    i = min(bisect_right(_EFFORT, effort) - 1, _LAST)
    return _Z_MIN + _Z_STEP * (i + (effort - _EFFORT[i]) / (_EFFORT[i + 1] - _EFFORT[i]))


def _moments(low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a standard normal known to lie in [low, high], pulled into ±CLIP."""
    low, high = min(max(low, -CLIP), CLIP), min(max(high, -CLIP), CLIP)
    if high - low < 1e-3:
        return (low + high) / 2, 0.0
    mass, at_low, at_high = _below(high) - _below(low), _density(low), _density(high)
    mean = (at_low - at_high) / mass
    return mean, max(0.0, 1 + (low * at_low - high * at_high) / mass - mean * mean)


@dataclass(frozen=True, slots=True)
class Prior:
    """What a platform's model table believes before the first task: log-normal median (seconds) and spread."""

    median_s: float
    sigma: float


class Pace:
    """The learned pace of one model of one platform. Not thread-safe; constant memory; about 3 µs a question."""

    def __init__(self, prior: Prior, *, rtt_s: float = 0.1) -> None:
        """rtt_s: a first guess at one poll's round trip."""
        self._median = prior.median_s
        self._sigma = min(max(prior.sigma, MIN_SIGMA), MAX_SIGMA)
        self._tasks = PRIOR_TASKS
        self._surprise = 0.0
        self._rtt = rtt_s

    def observe(self, after_s: float, by_s: float) -> None:
        """
        A task was found Ready.

        Args:
            after_s: when the last answer "still working" arrived, 0 when the first poll already found it Ready.
            by_s: when the Ready answer arrived. Both in seconds since the submission was accepted.
        """
        mean, variance = _moments(self._z(after_s), self._z(by_s))
        self._tasks = min(self._tasks + 1, MEMORY_TASKS)
        weight = 1 / self._tasks
        spread = math.sqrt((1 - weight) * (1 + weight * mean * mean) + weight * variance)
        self._median *= math.exp(self._sigma * weight * mean)
        self._surprise += (mean - self._surprise) / SURPRISE_TASKS
        if abs(self._surprise) > 1:
            self._tasks, self._surprise, spread = PRIOR_TASKS, 0.0, 2.0
        self._sigma = min(max(self._sigma * spread, MIN_SIGMA), MAX_SIGMA)

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
        # Never the time before the median: so asking later never means polling sooner.
        step = math.sqrt(2 * POLL_PRICE_S / (self._sigma * max(elapsed_s, self._median)))
        z = _z_after(max(_effort(self._z(elapsed_s)) + step, FIRST_STEP * step))
        wait = self._median * math.exp(self._sigma * z) - elapsed_s - self._rtt
        floor = MIN_WAIT_S * WAIT_GROWTH ** min(spent_polls, 100)
        return min(max(wait, floor), MAX_WAIT_S if spent_polls else MAX_FIRST_WAIT_S)

    def expected_s(self) -> float:
        """The median time a task takes, in seconds: for queue estimates and Retry-After."""
        return self._median

    def late_s(self) -> float:
        """Practically every task has ended by then, in seconds since it was accepted."""
        return max(LATE_LEAST_S, self._median * math.exp(CLIP * self._sigma))

    def _z(self, at_s: float) -> float:
        return math.log(max(at_s, MIN_WAIT_S) / self._median) / self._sigma
