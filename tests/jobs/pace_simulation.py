"""Pace against an oracle and a fixed grid, on simulated completion times: shared by the test and `make bench`."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush

from gateway.jobs.pace import MAX_FIRST_WAIT_S, MAX_WAIT_S, Pace, Prior

PRIOR = Prior(median_s=6.0, sigma=0.35)  # wrong on purpose: learning is part of what is measured
IN_FLIGHT = 24  # a completion is learned of only after this many later tasks were begun: the account's ceiling
GRID_S = 0.5
SEED = 5
RTT_S = 0.1
_ORACLE_STEPS = 400
_ORACLE_PRICES = tuple(0.02 * 1.3**i for i in range(5))  # seconds of waiting per poll: 0.020 ... 0.057
_YOUNG_PRICES = tuple(0.002 * 1.6**i for i in range(14))  # 0.002 ... 0.9: what a pace spends that hardly knows anything


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


def young(pace: Pace, median_s: float, sigma: float, *, learned: int, runs: int, rtt_s: float = RTT_S) -> Row:
    """The task after so many completions, one after the other, of a pace that knew something else; means of runs."""
    chance, seed = random.Random(SEED), pace
    scenario = Scenario("young", sigma, lambda _: median_s, rtt_s)
    lag, polls, completions = 0.0, 0, list[float]()
    for _ in range(runs):
        pace = deepcopy(seed)
        for task in range(learned + 1):
            completion = median_s * math.exp(sigma * chance.gauss(0, 1))
            after, by, spent = followed(pace, completion, rtt_s)
            if task < learned:
                pace.observe(after, by)
        lag, polls = lag + by - rtt_s / 2 - completion, polls + spent
        completions.append(completion)
    score, medians = Score(lag / runs, polls / runs), [median_s] * runs
    oracle = _score_oracle(scenario, medians, completions, score.polls, _YOUNG_PRICES)
    return Row(scenario, score, oracle, _score_grid(completions, rtt_s))


def crowd(pace: Pace, completions: Sequence[float], rtt_s: float = RTT_S) -> Score:
    """All of them are begun at once, and learned of in the order in which they are found over."""
    lag, polls = 0.0, 0
    watches = [pace.begin() for _ in completions]
    asked = [(watch.next_wait(0.0, 0) + rtt_s, task, 0.0, 1) for task, watch in enumerate(watches)]
    heapify(asked)
    while asked:
        by, task, after, spent = heappop(asked)
        if by - rtt_s / 2 < completions[task]:
            heappush(asked, (by + watches[task].next_wait(by, spent) + rtt_s, task, by, spent + 1))
        else:
            watches[task].found(after, by)
            lag, polls = lag + by - rtt_s / 2 - completions[task], polls + spent
    return Score(lag / len(completions), polls / len(completions))


def score_pace(pace: Pace, completions: list[float], rtt_s: float) -> Score:
    """Polls are sequential: the next is sent after the answer and the wait; the task is looked at half-way."""
    lag, polls = 0.0, 0
    unlearned: deque[tuple[float, float]] = deque()
    for completion in completions:
        after, by, spent = followed(pace, completion, rtt_s)
        lag += by - rtt_s / 2 - completion
        polls += spent
        unlearned.append((after, by))
        if len(unlearned) > IN_FLIGHT:
            pace.observe(*unlearned.popleft())
    return Score(lag / len(completions), polls / len(completions))


def followed(pace: Pace, completion: float, rtt_s: float) -> tuple[float, float, int]:
    """When the last answer "working" and the one that was not arrived, and how many there were."""
    after, by, spent = 0.0, 0.0, 0
    while not spent or by - rtt_s / 2 < completion:
        after = by
        by = after + pace.next_wait(after, spent) + rtt_s
        spent += 1
        pace.observe_rtt(rtt_s)
    return after, by, spent


def _score_grid(completions: list[float], rtt_s: float) -> Score:
    """A poll is sent every half second, whatever the round trip."""
    spent = [max(1, math.ceil((completion - rtt_s / 2) / GRID_S)) for completion in completions]
    lag = sum(n * GRID_S + rtt_s / 2 - completion for n, completion in zip(spent, completions, strict=True))
    return Score(lag / len(completions), sum(spent) / len(completions))


def _score_oracle(
    scenario: Scenario,
    medians: list[float],
    completions: list[float],
    polls: float,
    prices: tuple[float, ...] = _ORACLE_PRICES,
) -> Score:
    """The best schedules for the true medians and spread, at a price that makes the mean number of polls equal."""
    frontier = [_spend(price, scenario, medians, completions) for price in prices]
    for dear, cheap in zip(frontier[1:], frontier, strict=False):
        if dear.polls <= polls <= cheap.polls:
            part = math.log(polls / dear.polls) / math.log(cheap.polls / dear.polls)
            return Score(dear.lag_s * (cheap.lag_s / dear.lag_s) ** part, polls)
    if prices is _YOUNG_PRICES:  # nobody asks less than once, or sooner than the last answer came
        return frontier[-1 if polls < frontier[-1].polls else 0]
    raise ValueError(f"{polls} polls are outside the prices tried")


def _spend(price_s: float, scenario: Scenario, medians: list[float], completions: list[float]) -> Score:
    lag, polls = 0.0, 0
    for median, completion in zip(medians, completions, strict=True):
        # One schedule per 7 % of median, stretched to the exact one: log-normal times differ by their scale only.
        near = 7.0 * 1.07 ** round(math.log(median / 7.0, 1.07))
        schedule = watchful(best_schedule(near, scenario.sigma, price_s, scenario.rtt_s), scenario.rtt_s)
        index = min(bisect_left(schedule, completion * near / median), len(schedule) - 1)
        lag += max(0.0, schedule[index] * median / near - completion)
        polls += index + 1
    return Score(lag / len(completions), polls / len(completions))


@cache
def watchful(schedule: tuple[float, ...], rtt_s: float) -> tuple[float, ...]:
    """With looks added where a pace has to look whatever it knows: after 10 s, and every 5 s from then on."""
    looks, longest = [0.0], MAX_FIRST_WAIT_S + rtt_s
    for at in schedule:
        while at - looks[-1] > longest + 1e-9:
            looks.append(looks[-1] + longest)
            longest = MAX_WAIT_S + rtt_s
        looks.append(at)
        longest = MAX_WAIT_S + rtt_s
    return tuple(looks[1:])


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
