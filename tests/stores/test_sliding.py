"""Never more than the limit in any minute, never a refusal that an exact count would not give a tick later."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.sliding import SPAN_S, TICK_S, Sliding

STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.03125, 0.0625, 1.0, 7.5, 29.0, 60.0]), st.integers(1, 5)), max_size=60
)


def taken(window: Sliding, now: float, amount: int, limit: int) -> bool:
    window.forget(now)
    if window.room_in(now, amount, limit):
        return False
    window.add(now, amount)
    return True


@given(steps=STEPS, limit=st.integers(1, 12))
def test_any_minute(steps: list[tuple[float, int]], limit: int) -> None:
    """Against a list of everything that was ever taken; pauses are exact in binary."""
    window, now, log = Sliding(), 100.0, list[tuple[float, int]]()

    def counted(span_s: float) -> int:
        return sum(amount for when, amount in log if when > now - span_s)

    for pause, amount in steps:
        now += pause
        fits, surely = counted(SPAN_S) + amount <= limit, counted(SPAN_S + TICK_S) + amount <= limit
        if taken(window, now, amount, limit):
            assert fits
            log.append((now, amount))
        else:
            assert not surely
        assert counted(SPAN_S) <= window.used <= counted(SPAN_S + TICK_S)


@given(steps=STEPS, limit=st.integers(1, 12), amount=st.integers(1, 15))
def test_the_promise_is_kept(steps: list[tuple[float, int]], limit: int, amount: int) -> None:
    """After `room_in` seconds it fits, a moment earlier it does not; never is never."""
    window, now = Sliding(), 0.0
    for pause, more in steps:
        now += pause
        taken(window, now, more, limit)
    window.forget(now)
    wait = window.room_in(now, amount, limit)
    if amount > limit:
        assert wait == math.inf
        return
    assert wait <= SPAN_S
    if wait > 0.001:
        window.forget(now + wait - 0.0005)
        assert window.room_in(now + wait - 0.0005, amount, limit) > 0
    window.forget(now + wait + 1e-9)
    assert window.room_in(now + wait + 1e-9, amount, limit) == 0
    window.forget(now + window.whole_in(now) + 1e-9)
    assert window.used == 0


def test_memory_is_bounded() -> None:
    """Ten thousand a second are some six hundred entries, and the count is exact all the same."""
    window = Sliding()
    for step in range(700_000):
        window.forget(step / 10_000)
        window.add(step / 10_000, 1)
    assert len(window._entries) <= SPAN_S / TICK_S + 2
    assert 600_000 <= window.used <= 601_000


def test_what_is_taken_back() -> None:
    """Only what was added, and only while it counts."""
    window = Sliding()
    window.add(1.0, 3)
    window.add(1.05, 4)
    window.remove(1.05, 4)
    assert window.used == 3 and window.room_in(2.0, 1, 3) == 1.05 + SPAN_S - 2.0
    window.forget(70.0)
    window.remove(1.0, 3)
    assert window.used == 0
