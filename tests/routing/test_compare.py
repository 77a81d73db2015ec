"""Comparisons as rules write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.compare import Comparison


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [
        (">4", (5, 10**9), (0, 4)),
        (">=4", (4,), (3,)),
        ("< 4", (0, 3), (4,)),
        ("<=1", (0, 1), (2,)),
        ("2", (2,), (1, 3)),
        (" =2 ", (2,), (1, 3)),
        (">4MP", (4_000_001,), (4_000_000,)),
        ("<= 0.25 MP", (250_000,), (250_001,)),
        ("1.5MP", (1_500_000,), (1_499_999,)),
        (">1.5", (2,), (1,)),
        ("<1.5", (1,), (2,)),
    ],
)
def test_what_is_written_is_meant(text: str, holds: tuple[int, ...], fails: tuple[int, ...]) -> None:
    """At the number itself and beside it; MP is a million."""
    found = Comparison.read(text, megapixels=True)
    assert all(map(found.holds, holds)) and not any(map(found.holds, fails))


@pytest.mark.parametrize(
    "text", ["", "four", "=>4", ">", "4 4", "-1", "1e3", "4MB", "٤", ">4\n<5", "1.5", "<0", "=0.5"]
)
def test_what_no_number_satisfies_is_refused(text: str) -> None:
    """Neither nonsense nor half a picture."""
    with pytest.raises(ValueError, match=r"comparison"):
        Comparison.read(text, megapixels=True)


def test_megapixels_are_for_pixels() -> None:
    """Four million pictures are a slip of the pen."""
    with pytest.raises(ValueError, match="such as >4, <=1 or 2"):
        Comparison.read(">4MP")


written = st.builds("{}{}".format, st.sampled_from(["<=", ">=", ">", "=", ""]), st.integers(0, 9)).map(Comparison.read)


@given(written, written)
def test_covering_and_meeting(one: Comparison, other: Comparison) -> None:
    """Both are what trying every number says."""
    numbers = range(12)
    assert one.covers(other) is all(one.holds(number) for number in numbers if other.holds(number))
    assert one.meets(other) is any(one.holds(number) and other.holds(number) for number in numbers)
