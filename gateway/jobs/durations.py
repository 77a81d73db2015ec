"""
Durations: what is believed about how long the tasks of one model take, from intervals.

A poll only ever tells "not yet" or "already", so a task is known by the interval in which it ended. A model's tasks
come in a few *kinds* (cold and warm, small and large, made and refused), each of log-normal duration. A task counts for
the kind that most likely made it, or, where a kind nobody has seen is likelier, founds one: an unseen kind may take any
time from SHORTEST_S to LONGEST_S, evenly in the logarithm. So a table that is wrong by any factor, a vendor that has
changed and two speeds side by side are the same case, and one completion is enough to notice.

Within a kind the median of the logarithm is known up to a variance, its doubt, which the spread of a prediction has in
it. Both are updated by the mean and the variance of a normal that is known to lie in an interval, as in a Kalman filter
whose observations are rounded (T. Amemiya, Regression Analysis When the Dependent Variable Is Truncated Normal,
Econometrica 41, 1973). Everything before is forgotten at the rate of 1 / MEMORY_TASKS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST_S, LONGEST_S = 0.05, 1000.0
LOW, HIGH = math.log(SHORTEST_S), math.log(LONGEST_S)
MEMORY_TASKS, MOST_KINDS = 32, 4
# The prior counts as this many tasks of its kind; of how often its kind comes it says less.
PRIOR_TASKS, PRIOR_SHARE_TASKS = 4, 2
ENOUGH_TASKS = 4
# How often a kind comes is told by the last few tasks: what a vendor does now counts, not what it has done before.
SHARE_GAIN = 0.3
# Half of first tasks are of a kind that no table knows; the more tasks were seen, the less a new kind is waited for,
# which costs polls. That one has come is believed at better odds: a kind too many costs little.
FIRST_UNSEEN, LEAST_UNSEEN, FOUNDING = 0.5, 0.005, 0.02
# E. S. Page, Continuous Inspection Schemes, Biometrika 41, 1954: sums of how many spreads the tasks of a kind are off
# to either side, each less the slack, tell by their limit that the kind has moved, by a spread after sixteen tasks.
SLACK, ALARM = 0.5, 8.0
# No task is believed to be further out than this many spreads, and no interval to be sharper than one per cent.
CLIP, SHARPEST = 3.0, 0.01
MIN_SIGMA, MAX_SIGMA = 0.03, 1.0
IMPOSSIBLE = 1e-300

_ROOT_2 = math.sqrt(2)
_ROOT_2_PI = math.sqrt(2 * math.pi)


def _above(z: float) -> float:
    return math.erfc(z / _ROOT_2) / 2


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / _ROOT_2_PI


def _between(low: float, high: float) -> float:
    """The probability of a standard normal to lie in [low, high], exact in both tails."""
    return _above(low) - _above(high) if low > 0 else _above(-high) - _above(-low)


def _moments(low: float, high: float) -> tuple[float, float]:
    """Mean, pulled into ±CLIP, and variance of a standard normal known to lie in [low, high]."""
    mass = _between(low, high)
    if high - low < 1e-3 or mass < 1e-12:
        return min(max(0.0, low, -CLIP), high, CLIP), 0.0
    at_low, at_high = _density(low), _density(high)
    mean = (at_low - at_high) / mass
    variance = 1 + (low * at_low - high * at_high) / mass - mean * mean
    return min(max(mean, -CLIP), CLIP), min(max(variance, 0.0), 1.0)


@dataclass(slots=True)
class Kind:
    """
    One kind of task.

    Args:
        share: how often it comes, of all kinds that were seen.
        median: of the logarithm of seconds; `doubt` is the variance of what is known of it.
        sigma: the spread of the logarithm, known as well as from so many `tasks`.
        early, late: the sums by which a change shows.
        against: by how much its last tasks were likelier of an unseen kind, in the logarithm.
    """

    share: float
    median: float
    doubt: float
    sigma: float
    tasks: float
    early: float = 0.0
    late: float = 0.0
    against: float = 0.0

    @property
    def spread(self) -> float:
        """Of the next task's logarithm."""
        return math.sqrt(self.doubt + self.sigma * self.sigma)

    @property
    def changed(self) -> bool:
        return max(self.early, self.late) > ALARM

    def probability(self, low: float, high: float) -> float:
        return _between((low - self.median) / self.spread, (high - self.median) / self.spread)

    def learn(self, low: float, high: float) -> None:
        spread, own = self.spread, self.sigma * self.sigma
        mean, variance = _moments((low - self.median) / spread, (high - self.median) / spread)
        gain, told = self.doubt / (self.doubt + own), 1 - variance
        self.tasks = min(self.tasks + told, MEMORY_TASKS)
        self.median += gain * spread * mean
        self.early = max(0.0, self.early - mean - SLACK)
        self.late = max(0.0, self.late + mean - SLACK)
        own *= 1 + (mean * mean + variance - 1) / self.tasks
        self.sigma = min(max(math.sqrt(own), MIN_SIGMA), MAX_SIGMA)
        self.doubt = max(self.doubt * (1 - gain * told), self.sigma * self.sigma / MEMORY_TASKS)


class Durations:
    """Those of one model. Constant memory; learning one task takes about 10 µs."""

    def __init__(self, median_s: float, sigma: float) -> None:
        """What is believed before the first task."""
        self._sigma = min(max(sigma, MIN_SIGMA), MAX_SIGMA)
        own = self._sigma * self._sigma
        self._kinds = [Kind(1.0, math.log(median_s), own / PRIOR_TASKS, self._sigma, PRIOR_TASKS)]
        self._seen = 0

    def learn(self, after_s: float, by_s: float) -> None:
        """A task took more than `after_s` and at most `by_s` seconds."""
        low = min(math.log(max(after_s, SHORTEST_S)), HIGH - SHARPEST)
        high = min(max(math.log(max(by_s, SHORTEST_S)), low + SHARPEST), HIGH)
        unseen = max(self._unseen, FOUNDING)
        self._seen += 1
        gain = max(SHARE_GAIN, PRIOR_SHARE_TASKS / (PRIOR_SHARE_TASKS + self._seen))
        likeliest = max(self._kinds, key=lambda kind: kind.share * kind.probability(low, high))
        even = (high - low) / (HIGH - LOW)
        against = likeliest.against + math.log(even / (likeliest.probability(low, high) or IMPOSSIBLE))
        likeliest.against = max(0.0, against)
        if against > math.log((1 - unseen) * likeliest.share / unseen):
            likeliest.against = 0.0
            if len(self._kinds) == MOST_KINDS:
                self._kinds.remove(min(self._kinds, key=lambda kind: kind.share))
            self._kinds.append(likeliest := self._founded(0.0, low, high))
        else:
            likeliest.learn(low, high)
            if likeliest.changed:
                self._kinds.remove(likeliest)
                self._kinds.append(likeliest := self._founded(likeliest.share, low, high))
        for kind in self._kinds:
            kind.share *= 1 - gain
        likeliest.share += gain
        whole = sum(kind.share for kind in self._kinds)
        for kind in self._kinds:
            kind.share /= whole

    def _founded(self, share: float, low: float, high: float) -> Kind:
        """Of its first task only the interval is known."""
        doubt = self._sigma * self._sigma + (high - low) ** 2 / 12
        return Kind(share, (low + high) / 2, doubt, self._sigma, 1)

    def typical_s(self) -> float:
        """The median of the kind that comes most often."""
        return math.exp(max(self._kinds, key=lambda kind: kind.share).median)

    @property
    def known(self) -> float:
        """How far the kind that comes most often is known, up to 1: as from so many tasks of enough."""
        return min(1.0, (1 + max(self._kinds, key=lambda kind: kind.share).tasks) / ENOUGH_TASKS)

    def unfinished(self, logs: Sequence[float]) -> list[float]:
        """The probability that a task takes longer, for the logarithm of each of these times, all of them in range."""
        unseen = self._unseen
        found = [unseen * (HIGH - at) / (HIGH - LOW) for at in logs]
        for kind in self._kinds:
            share, median, scale = (1 - unseen) * kind.share, kind.median, 1 / (kind.spread * _ROOT_2)
            for i, at in enumerate(logs):
                z = (at - median) * scale
                if z < 4.0:
                    found[i] += share if z < -4.0 else share * math.erfc(z) / 2
        return found

    @property
    def _unseen(self) -> float:
        return max(LEAST_UNSEEN, FIRST_UNSEEN / (1 + self._seen) ** 2)
