"""Pace against an oracle and a fixed grid, on simulated completion times: shared by the test and `make bench`."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from gateway.jobs.pace import Pace, Prior

PRIOR = Prior(median_s=6.0, sigma=0.35)  # wrong on purpose: learning is part of what is measured
IN_FLIGHT = 24  # a completion is learned of only after this many later tasks were begun: the account's ceiling
GRID_S = 0.5
_ORACLE_STEPS = 400
_ORACLE_PRICES = tuple(0.02 * 1.3**i for i in range(5))  # seconds of waiting per poll: 0.020 ... 0.057


@dataclass(frozen=True, slots=True)
class Scenario:
    """Log-normal completion times: spread, and the median in seconds of task number i; a poll's round trip."""

    name: str
    sigma: float
    median_s: Callable[[int], float]
    rtt_s: float


@dataclass(frozen=True, slots=True)
class Score:
    """Means per task. lag_s: arrival of the Ready answer - (completion + half a round trip)."""

    lag_s: float
    polls: float


@dataclass(frozen=True, slots=True)
class Row:
    scenario: Scenario
    pace: Score
    oracle: Score
    grid: Score

    @property
    def ratio(self) -> float:
        return self.pace.lag_s / self.oracle.lag_s


def steady(_task: int) -> float:
    return 7.0


def drifting(task: int) -> float:
    """Between 5.2 and 9.4 s and back, in 2000 tasks."""
    return 7.0 * math.exp(0.3 * math.sin(2 * math.pi * task / 2000))


SCENARIOS = tuple(
    Scenario(name, sigma, median_s, rtt_s)
    for name, sigma, median_s in (
        ("sigma 0.1", 0.1, steady),
        ("sigma 0.2", 0.2, steady),
        ("sigma 0.3", 0.3, steady),
        ("sigma 0.2, drift", 0.2, drifting),
    )
    for rtt_s in (0.0, 0.11)
)


def compare(scenario: Scenario, tasks: int, seed: int) -> Row:
    """The same completion times for all three."""
    chance = random.Random(seed)
    medians = [scenario.median_s(i) for i in range(tasks)]
    completions = [median * math.exp(scenario.sigma * chance.gauss(0, 1)) for median in medians]
    pace = score_pace(Pace(PRIOR), completions, scenario.rtt_s)
    oracle = _score_oracle(scenario, medians, completions, pace.polls)
    return Row(scenario, pace, oracle, _score_grid(completions, scenario.rtt_s))


def score_pace(pace: Pace, completions: list[float], rtt_s: float) -> Score:
    """Polls are sequential: the next is sent after the answer and the wait; the task is looked at half-way."""
    lag, polls = 0.0, 0
    unlearned: deque[tuple[float, float]] = deque()
    for completion in completions:
        after, by, spent = 0.0, 0.0, 0
        while not spent or by - rtt_s / 2 < completion:
            after = by
            by = after + pace.next_wait(after, spent) + rtt_s
            spent += 1
            pace.observe_rtt(rtt_s)
        lag += by - rtt_s / 2 - completion
        polls += spent
        unlearned.append((after, by))
        if len(unlearned) > IN_FLIGHT:
            pace.observe(*unlearned.popleft())
    return Score(lag / len(completions), polls / len(completions))


def _score_grid(completions: list[float], rtt_s: float) -> Score:
    """A poll is sent every half second, whatever the round trip."""
    spent = [max(1, math.ceil((completion - rtt_s / 2) / GRID_S)) for completion in completions]
    lag = sum(n * GRID_S + rtt_s / 2 - completion for n, completion in zip(spent, completions, strict=True))
    return Score(lag / len(completions), sum(spent) / len(completions))


def _score_oracle(scenario: Scenario, medians: list[float], completions: list[float], polls: float) -> Score:
    """The best schedules for the true medians and spread, at a price that makes the mean number of polls equal."""
    frontier = [_spend(price, scenario, medians, completions) for price in _ORACLE_PRICES]
    for dear, cheap in zip(frontier[1:], frontier, strict=False):
        if dear.polls <= polls <= cheap.polls:
            part = math.log(polls / dear.polls) / math.log(cheap.polls / dear.polls)
            return Score(dear.lag_s * (cheap.lag_s / dear.lag_s) ** part, polls)
    raise ValueError(f"{polls} polls are outside the prices tried")


def _spend(price_s: float, scenario: Scenario, medians: list[float], completions: list[float]) -> Score:
    lag, polls = 0.0, 0
    for median, completion in zip(medians, completions, strict=True):
        # One schedule per 7 % of median, stretched to the exact one: log-normal times differ by their scale only.
        near = 7.0 * 1.07 ** round(math.log(median / 7.0, 1.07))
        schedule = best_schedule(near, scenario.sigma, price_s, scenario.rtt_s)
        index = min(bisect_left(schedule, completion * near / median), len(schedule) - 1)
        lag += max(0.0, schedule[index] * median / near - completion)
        polls += index + 1
    return Score(lag / len(completions), polls / len(completions))


def _log_normal(median_s: float, sigma: float, at_s: float) -> tuple[float, float]:
    """Probability of having completed by then, and the mean of the completion time restricted to those."""
    z = math.log(at_s / median_s) / sigma
    mean = median_s * math.exp(sigma * sigma / 2)
    return math.erfc(-z / math.sqrt(2)) / 2, mean * math.erfc((sigma - z) / math.sqrt(2)) / 2


def expected_cost(schedule: tuple[float, ...], median_s: float, sigma: float, price_s: float) -> float:
    """Mean lag plus the price of the mean number of polls, exactly."""
    cost, before, mean_before = 0.0, 0.0, 0.0
    for at in schedule:
        by, mean_by = _log_normal(median_s, sigma, at)
        cost += at * (by - before) - (mean_by - mean_before) + price_s * (1 - before)
        before, mean_before = by, mean_by
    return cost


@cache
def best_schedule(median_s: float, sigma: float, price_s: float, rtt_s: float) -> tuple[float, ...]:
    """
    The instants at which to look at a task, by dynamic programming backwards over a grid of +-4.5 spreads.

    Looks are at least one round trip apart, because polls are sequential; nothing else constrains them.
    """
    low, high = (median_s * math.exp(side * 4.5 * sigma) for side in (-1, 1))
    grain = (high - low) / _ORACLE_STEPS
    times = [0.0, *(low + grain * i for i in range(_ORACLE_STEPS + 1))]
    odds = [(0.0, 0.0), *(_log_normal(median_s, sigma, at) for at in times[1:])]
    last, apart = len(times) - 1, max(1, math.ceil(rtt_s / grain))
    costs, following = [0.0] * len(times), [last] * len(times)
    for here in range(last - 1, -1, -1):
        before, mean_before = odds[here]
        best, worse = math.inf, 0
        for then in range(min(here + apart, last) if here else 1, len(times)):
            by, mean_by = odds[then]
            cost = times[then] * (by - before) - (mean_by - mean_before) + costs[then]
            if cost < best:
                best, following[here], worse = cost, then, 0
            elif here and (worse := worse + 1) > 20:  # past the only minimum
                break
        costs[here] = best + price_s * (1 - before)
    schedule = [following[0]]
    while schedule[-1] != last:
        schedule.append(following[schedule[-1]])
    return tuple(times[i] for i in schedule)
