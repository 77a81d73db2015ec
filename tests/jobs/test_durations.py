"""Durations: whatever was learned, a belief is a distribution, and it lies where the tasks were."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.durations import HIGH, LONGEST_S, LOW, MOST_KINDS, SHORTEST_S, Durations

STEPS = 60
LOGS = [LOW + (HIGH - LOW) * i / STEPS for i in range(STEPS)]

intervals = st.tuples(st.floats(0, 5000), st.floats(0, 5000)).map(sorted)
beliefs = st.builds(Durations, st.floats(0.2, 600), st.floats(0, 1.5))


def learned(*tasks: tuple[float, float]) -> Durations:
    durations = Durations(7.0, 0.25)
    for after_s, by_s in tasks:
        durations.learn(after_s, by_s)
    return durations


def within(durations: Durations, low_s: float, high_s: float) -> float:
    """How probable a task of that long is."""
    before, after = durations.unfinished([math.log(low_s), math.log(high_s)])
    return before - after


@given(durations=beliefs, seen=st.lists(intervals, max_size=100))
def test_any_history_leaves_a_distribution(durations: Durations, seen: list[list[float]]) -> None:
    """It falls from one, never reaches nothing in the range, and counts few kinds."""
    for after_s, by_s in seen:
        durations.learn(after_s, by_s)
    left = durations.unfinished(LOGS)
    assert all(0 < later <= sooner + 1e-12 <= 1 + 1e-9 for sooner, later in pairwise(left))
    assert len(durations._kinds) <= MOST_KINDS
    assert math.isclose(sum(kind.share for kind in durations._kinds), 1.0)
    assert SHORTEST_S / 2 < durations.typical_s() < 2 * LONGEST_S


def test_at_first_the_table_and_anything() -> None:
    """Half for the table's kind; the rest for whatever else there is."""
    durations = Durations(7.0, 0.25)
    assert math.isclose(durations.typical_s(), 7.0)
    assert 0.5 < within(durations, 3.5, 14.0) < 0.65
    assert within(durations, 0.1, 1.0) > 0.1


def test_one_task_elsewhere_is_enough() -> None:
    """The first task tells that the table is wrong, and where to look."""
    durations = learned((0.6, 0.8))
    assert 0.5 < durations.typical_s() < 1.0
    assert within(durations, 0.3, 1.4) > 0.5


def test_a_wide_interval_says_little_and_a_narrow_one_much() -> None:
    """Found by the first poll it may have taken any time before that."""
    assert within(learned((0.0, 1.2)), 0.6, 0.8) < within(learned((0.6, 0.8)), 0.6, 0.8) / 2


def test_one_stalled_task_is_a_kind_of_its_own() -> None:
    """What usually happens is as it was, and it fades."""
    steady = learned(*[(6.8, 7.2)] * 20)
    before = within(steady, 6, 8)
    steady.learn(57.0, 60.0)
    assert math.isclose(steady.typical_s(), 7.0, rel_tol=0.03)
    for _ in range(10):
        steady.learn(6.8, 7.2)
    assert within(steady, 6, 8) > 0.9 * before
