"""The end of a stream is remembered whatever the pieces it came in."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.tail import TAIL_BYTES, Tail

STREAM = bytes(number * 167 >> 3 & 0xFF for number in range(400_000))


@given(st.lists(st.sampled_from((1, 7, 4095, 4096, 5000, 65_535, 65_536, 65_537, 90_000)), max_size=12))
def test_any_pieces_leave_the_same_end(lengths: list[int]) -> None:
    """The last 64 KiB are the last 64 KiB of the stream, in order."""
    tail, at = Tail(), 0
    for length in lengths:
        tail.add(STREAM[at : at + length])
        at = min(at + length, len(STREAM))
    assert tail.read() == STREAM[max(0, at - TAIL_BYTES) : at]


@pytest.mark.parametrize("length", [1, 100, 4095, 4096])
def test_small_pieces_stay_small(length: int) -> None:
    """A stream of crumbs costs no more memory than the end itself."""
    piece = memoryview(STREAM)
    tail = Tail()
    tracemalloc.start()
    for at in range(0, 100_000 if length == 1 else len(STREAM), length):
        tail.add(piece[at : at + length].tobytes())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < TAIL_BYTES * 1.5


def test_the_callers_bytes_are_never_changed() -> None:
    """A caller's own bytearray is read, not written."""
    tail, large, small = Tail(), bytearray(5000), bytearray(10)
    tail.add(large)
    tail.add(small)
    tail.add(b"x")
    assert (len(large), len(small)) == (5000, 10)
    assert tail.read() == bytes(5010) + b"x"
