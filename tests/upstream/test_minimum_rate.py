"""Who is too slow, by bytes and windows alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.minimum_rate import MinimumRate, TooSlowly


@given(st.lists(st.lists(st.integers(1, 200), max_size=5), min_size=1, max_size=10))
def test_each_window_counts_by_itself(windows: list[list[int]]) -> None:
    """What came before helps nobody, and a window with enough in it is always well."""
    rate = MinimumRate(300)
    for pieces in windows:
        for piece in pieces:
            rate.came(piece)
            rate.reads_on()
        assert (rate.look() is None) == (sum(pieces) >= 300)


def test_our_own_slowness_is_not_the_senders() -> None:
    """While a piece is being stored nobody reads; from the next window on it counts again."""
    rate = MinimumRate(300)
    rate.came(10)
    assert rate.look() is None
    rate.reads_on()
    found = rate.look()
    assert isinstance(found, TooSlowly) and "0 bytes" in str(found)


@pytest.mark.parametrize("count", [300, 10**9])
def test_enough(count: int) -> None:
    rate = MinimumRate(300)
    rate.came(count)
    rate.reads_on()
    assert rate.look() is None
