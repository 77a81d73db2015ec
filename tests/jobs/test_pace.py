"""Pace: close to the best possible schedule, learned quickly, and bounded whatever it has seen."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.durations import MEMORY_TASKS
from gateway.jobs.pace import (
    LATE_LEAST_S,
    LATE_TIMES,
    MAX_FIRST_WAIT_S,
    MAX_WAIT_S,
    MIN_WAIT_S,
    POLL_PRICE_S,
    Pace,
    Prior,
)
from tests.jobs.pace_simulation import (
    IN_FLIGHT,
    PRIOR,
    SCENARIOS,
    Scenario,
    best_schedule,
    compare,
    crowd,
    expected_cost,
    score_pace,
    young,
)

TASKS, SEED = 3000, 7


def times(median_s: float, sigma: float, tasks: int) -> list[float]:
    chance = random.Random(SEED)
    return [median_s * math.exp(sigma * chance.gauss(0, 1)) for _ in range(tasks)]


def learned(median_s: float, sigma: float, tasks: int = 200) -> Pace:
    pace = Pace(PRIOR)
    score_pace(pace, times(median_s, sigma, tasks), 0.1)
    return pace


def polls_until(pace: Pace, end_s: float, rtt_s: float) -> int:
    elapsed, spent = 0.0, 0
    while elapsed < end_s:
        elapsed += pace.next_wait(elapsed, spent) + rtt_s
        spent += 1
    return spent


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: f"{s.name}, {s.rtt_s} s")
def test_close_to_the_oracle_and_better_than_a_grid(scenario: Scenario) -> None:
    """A learned pace lags at most 1.15 × the best possible for as many polls, and beats half-second polling twice."""
    row = compare(scenario, TASKS, SEED)
    assert row.ratio <= 1.15
    assert row.pace.lag_s < row.grid.lag_s
    assert row.pace.polls < row.grid.polls
    assert row.ratio >= 0.97, "an oracle that is beaten is not one"


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_the_oracle_is_the_best_there_is(sigma: float) -> None:
    """Moving, adding or leaving out any look of the oracle's schedule makes it dearer: the yardstick is honest."""
    best = best_schedule(7.0, sigma, 0.03, 0.0)
    cost = expected_cost(best, 7.0, sigma, 0.03)
    for i in range(8):
        later, sooner = ((*best[:i], best[i] + by, *best[i + 1 :]) for by in (0.08, -0.08))
        fewer, more = (*best[:i], *best[i + 1 :]), (*best[:i], best[i] - 0.1, *best[i:])
        for other in (later, sooner, fewer, more):
            assert expected_cost(other, 7.0, sigma, 0.03) > cost


@pytest.mark.parametrize("median_s", [2.3, 7.0, 36.0])
@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_learns_the_median_from_intervals_alone(median_s: float, sigma: float) -> None:
    """From "not yet" and "already" the median becomes known to 10 %, from a prior far off."""
    assert learned(median_s, sigma).expected_s() == pytest.approx(median_s + 0.05, rel=0.1)


def test_before_the_first_task_the_prior_holds() -> None:
    """A fresh process expects what the platform's table says."""
    assert Pace(Prior(36.0, 0.3)).expected_s() == 36.0


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0, 5.0])
def test_follows_a_vendor_that_changes_at_once(factor: float) -> None:
    """A hundred completions after the vendor became much faster or slower the new median is known to 10 %."""
    pace = learned(7.0, 0.1)
    score_pace(pace, times(7.0 * factor, 0.1, 100 + IN_FLIGHT), 0.1)
    assert pace.expected_s() == pytest.approx(7.0 * factor, rel=0.1)


@pytest.mark.parametrize("sigma", [0.2, 0.3])
@pytest.mark.parametrize(
    ("told_s", "median_s"), [(7.0, 7.0), (7.0, 0.7), (36.0, 3.6), (0.7, 7.0), (3.6, 36.0), (100.0, 1.0), (0.07, 7.0)]
)
def test_three_tasks_are_enough(told_s: float, median_s: float, sigma: float) -> None:
    """Whether the table is right, ten or a hundred times off: the fourth task is looked at nearly as by an oracle."""
    row = young(Pace(Prior(told_s, 0.25)), median_s, sigma, learned=3, runs=150)
    assert row.ratio <= 1.5


@pytest.mark.parametrize("median_s", [0.3, 0.7, 1.25])
def test_first_tasks_wait_little(median_s: float) -> None:
    """The first four tasks that are much faster than the table says lose about two seconds, all together."""
    rows = [young(Pace(Prior(7.0, 0.25)), median_s, 0.1, learned=task, runs=40) for task in range(4)]
    assert sum(row.pace.lag_s for row in rows) <= 2.0
    assert max(row.pace.polls for row in rows) <= 4


def test_a_table_that_is_right_costs_nothing() -> None:
    """To be ready for anything costs two polls of a first task; from the fourth on it is as if nobody had doubted."""
    first, fourth = (young(Pace(Prior(7.0, 0.25)), 7.0, 0.25, learned=tasks, runs=150) for tasks in (0, 3))
    assert first.pace.lag_s <= 0.35 and first.pace.polls <= 9.5
    assert fourth.ratio <= 1.15


@pytest.mark.parametrize("factor", [0.1, 0.3, 0.5, 2.0, 3.0, 10.0])
def test_changes_are_noticed_within_a_few_tasks(factor: float) -> None:
    """A vendor that has become faster or slower, after a long time: eight tasks later most is known again."""
    pace = learned(7.0, 0.2)
    assert young(pace, 7.0 * factor, 0.2, learned=8, runs=40).ratio <= 2.0


def test_two_speeds_side_by_side() -> None:
    """Tasks of 2 and of 8 s in any order cost little more than if each kind had a pace of its own."""
    chance = random.Random(SEED)
    slow = [chance.random() < 0.5 for _ in range(800)]
    tasks = [(8.0 if each else 2.0) * math.exp(0.15 * chance.gauss(0, 1)) for each in slow]

    def cost(seen: list[float]) -> float:
        score = score_pace(Pace(PRIOR), seen, 0.1)
        return score.lag_s + POLL_PRICE_S * score.polls

    apart = [cost([task for task, each in zip(tasks, slow, strict=True) if each is kind]) for kind in (True, False)]
    assert cost(tasks) <= 1.7 * sum(apart) / 2


@pytest.mark.parametrize(("told_s", "median_s"), [(7.0, 7.0), (7.0, 0.7), (0.7, 7.0), (7.0, 0.3)])
def test_many_at_once_teach_what_one_after_the_other_does(told_s: float, median_s: float) -> None:
    """The fastest of a crowd are over first, which says nothing: the next crowd is looked at well."""
    pace = Pace(Prior(told_s, 0.25))
    crowd(pace, times(median_s, 0.2, 24))
    score = crowd(pace, times(median_s, 0.2, 48)[24:])
    assert score.lag_s <= 0.3
    assert score.polls <= 8
    assert pace.expected_s() == pytest.approx(median_s + 0.05, rel=0.25)


def test_who_never_ends_holds_nobody_up() -> None:
    """One that hangs, and one that was left without an end: what the others tell is learned all the same."""
    pace = Pace(Prior(7.0, 0.25))
    hung, left = pace.begin(), pace.begin()
    for task in range(6):
        hung.next_wait(1.0 * task, task)
        pace.begin().found(0.6, 0.8)
        if task == 2:
            left.leave()
    assert pace.expected_s() == pytest.approx(0.7, rel=0.1)
    stuck = pace.begin()
    for _ in range(4 * MEMORY_TASKS):
        pace.begin().found(2.9, 3.1)
    assert pace.expected_s() == pytest.approx(3.0, rel=0.1)
    stuck.leave()


def test_a_long_past_does_not_outweigh_a_small_change() -> None:
    """After thousands of tasks a median 15 % up is still followed within a hundred."""
    pace = learned(7.0, 0.2, tasks=2000)
    score_pace(pace, times(8.05, 0.2, 100 + IN_FLIGHT), 0.1)
    assert pace.expected_s() == pytest.approx(8.1, rel=0.05)


def test_tasks_that_end_at_once_are_polled_at_once() -> None:
    """Against a vendor that answers in 20 ms the first wait shrinks to almost the shortest there is."""
    pace = learned(0.02, 0.1)
    assert pace.next_wait(0.0, 0) <= 1.5 * MIN_WAIT_S


def test_one_stalled_task_spoils_nothing() -> None:
    """A single task of a minute moves the expected time by less than 3 %."""
    pace = learned(7.0, 0.15)
    before = pace.expected_s()
    pace.observe(57.0, 60.0)
    assert pace.expected_s() == pytest.approx(before, rel=0.03)


def test_a_poll_is_sent_one_round_trip_early() -> None:
    """What counts is when the answer arrives: a longer round trip shortens the wait by as much."""
    near, far = Pace(PRIOR, rtt_s=0.02), Pace(PRIOR, rtt_s=0.32)
    assert near.next_wait(0.0, 0) - far.next_wait(0.0, 0) == pytest.approx(0.3)


def test_the_round_trip_is_learned_and_one_slow_poll_hardly_counts() -> None:
    """The round trip follows its median, whatever the first guess; a poll that hung for ten seconds moves it 5 %."""
    pace, told = Pace(PRIOR, rtt_s=0.1), Pace(PRIOR, rtt_s=0.4)
    for _ in range(60):
        pace.observe_rtt(0.4)
    pace.observe_rtt(10.0)
    assert pace.next_wait(0.0, 0) == pytest.approx(told.next_wait(0.0, 0), abs=0.05)


def test_a_vendor_that_hangs_is_not_asked_seconds_early() -> None:
    """However long polls take, none is sent more than a second before its answer is wanted."""
    pace = Pace(PRIOR)
    for _ in range(200):
        pace.observe_rtt(30.0)
    assert pace.next_wait(0.0, 0) == pytest.approx(Pace(PRIOR, rtt_s=1.0).next_wait(0.0, 0))


def test_a_slow_model_is_looked_at_early_for_a_refusal() -> None:
    """No first look later than 10 s and no later pause above 5 s, even when a task usually takes two minutes."""
    pace = Pace(Prior(120.0, 0.1))
    for _ in range(10):
        pace.observe(118.0, 122.0)
    assert pace.next_wait(0.0, 0) == MAX_FIRST_WAIT_S
    assert pace.next_wait(10.0, 1) == MAX_WAIT_S


intervals = st.tuples(st.floats(0, 1000), st.floats(0, 1000)).map(sorted)
paces = st.builds(Prior, st.floats(0.2, 600), st.floats(0, 1.5)).map(Pace)


@given(
    pace=paces,
    seen=st.lists(intervals, max_size=80),
    rtt_s=st.floats(0, 5),
    at=st.floats(0, 1e6),
    spent=st.integers(0, 10**6),
)
def test_any_wait_is_bounded_after_any_history(
    pace: Pace, seen: list[list[float]], rtt_s: float, at: float, spent: int
) -> None:
    """Whatever was observed and whenever it is asked, a wait lies between the two limits."""
    for after, by in seen:
        pace.observe(after, by)
        pace.observe_rtt(rtt_s)
    assert MIN_WAIT_S <= pace.next_wait(at, spent) <= MAX_FIRST_WAIT_S
    assert 0 < pace.expected_s() < math.inf


@given(pace=paces, seen=st.lists(intervals, max_size=80), rtt_s=st.sampled_from([0.0, 0.11, 1.0]))
def test_a_task_that_never_ends_is_asked_about_rarely(pace: Pace, seen: list[list[float]], rtt_s: float) -> None:
    """No history makes a job of 900 s cost more than 250 polls."""
    for after, by in seen:
        pace.observe(after, by)
    assert polls_until(pace, 900.0, rtt_s) <= 250


@given(pace=paces, seen=st.lists(intervals, max_size=20), early=st.floats(0, 100), later=st.floats(0, 10))
def test_asking_later_never_means_polling_sooner(
    pace: Pace, seen: list[list[float]], early: float, later: float
) -> None:
    """A delayed caller is not sent back in time: the next poll's instant never falls as time passes."""
    for after, by in seen:
        pace.observe(after, by)
    assert early + pace.next_wait(early, 1) <= early + later + pace.next_wait(early + later, 1) + 1e-6


def test_late() -> None:
    """Practically no task of a model takes so long, and none is called late before a quarter of a minute."""
    for median_s in (0.5, 7.0, 36.0):
        pace, dice = Pace(Prior(7.0, 0.25)), random.Random(1)
        assert LATE_LEAST_S <= pace.late_s() <= LATE_TIMES * 7.0
        took = [median_s * dice.lognormvariate(0.0, 0.25) for _ in range(300)]
        for seconds in took[:100]:
            pace.observe(0.95 * seconds, seconds)
        assert sum(seconds > pace.late_s() for seconds in took) <= 3
        assert pace.late_s() <= max(LATE_LEAST_S, LATE_TIMES * 1.2 * median_s)
