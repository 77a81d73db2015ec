"""Ranges of a result, as arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import RangeOutside
from gateway.handlers.results import _span


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=2-5", (2, 6)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-1", (9, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-99", (0, 10)),
        (" bytes=0-1 ", (0, 2)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=20-19", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=٣-", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 16 + "-", None),
    ],
)
def test_spans_of_ten_bytes(asked: str, span: tuple[int, int] | None) -> None:
    """One range, clipped; what cannot be read as one range means everything."""
    assert _span(asked, 10) == span


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=999999999999999-"])
def test_outside(asked: str) -> None:
    """Readable, and past the end."""
    with pytest.raises(RangeOutside) as caught:
        _span(asked, 10)
    assert caught.value.length == 10


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 25))
def test_spans_are_slices(first: int, last: int, length: int) -> None:
    """The same bytes that slicing gives."""
    data = bytes(range(length))
    try:
        span = _span(f"bytes={first}-{last}", length)
    except RangeOutside:
        assert first >= length
    else:
        assert (data[slice(*span)] == data[first : last + 1]) if span else last < first
