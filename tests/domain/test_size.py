"""Sizes as clients write them, and ratios in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.size import Pixels, Ratio, read_size

SIDE = st.integers(1, 99_999)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("auto", None),
        ("1024x1024", Pixels(1024, 1024)),
        ("1792X1024", Pixels(1792, 1024)),
        ("1536×1024", Pixels(1536, 1024)),
        ("9999x1", Pixels(9999, 1)),
        ("16:9", Ratio(16, 9)),
        ("32:18", Ratio(32, 18)),
    ],
)
def test_spellings(text: str, read: Pixels | Ratio | None) -> None:
    """`WxH`, `W:H` and `auto`; a ratio stays as it was written."""
    assert read_size(text) == read


@pytest.mark.parametrize(
    "text",
    [
        *("", "AUTO", "1024", "1024x", "x1024", "0x10", "01x10", "10x0", "-1x1", "1.5x1", "1 x 1", " 1x1", "1x1\n"),
        *("1x1x1", "100000x1", "16/9", "16:9:1", "0:1", "١x١", "1024*1024", "large"),
    ],
)
def test_what_is_no_size(text: str) -> None:
    """Everything else is refused, odd digits and blanks included."""
    with pytest.raises(ValueError):
        read_size(text)


@settings(deadline=None)
@given(SIDE, SIDE)
def test_pixels_reduce_to_their_ratio(width: int, height: int) -> None:
    """In lowest terms, exactly; and both are written back as they are read."""
    ratio = Pixels(width, height).ratio
    assert (Fraction(width, height).numerator, Fraction(width, height).denominator) == (ratio.width, ratio.height)
    assert read_size(str(Pixels(width, height))) == Pixels(width, height)
    assert read_size(str(ratio)) == ratio
    assert Pixels(width, height).count == width * height


@settings(deadline=None)
@given(SIDE, SIDE)
def test_bounds_belong_to_the_range(width: int, height: int) -> None:
    """`within` agrees with fractions; a ratio lies within itself."""
    ratio = Ratio(width, height)
    expected = Fraction(3, 7) <= Fraction(width, height) <= Fraction(7, 3)
    assert ratio.within(Ratio(3, 7), Ratio(7, 3)) is expected
    assert ratio.within(ratio, ratio)
