"""What the gateway and a worker say to each other survives the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.frames import END, FRAME_BYTES, HEAD_BYTES, Fault, Order, Verdict, frame, pieces

SIZES = st.none() | st.tuples(st.integers(1, 99_999), st.integers(1, 99_999))


@given(st.booleans(), st.booleans(), SIZES)
def test_an_order_comes_as_it_was_given(mask: bool, flatten: bool, pixels: tuple[int, int] | None) -> None:
    """Every field of it."""
    order = Order(mask, flatten, pixels)
    assert Order.read(order.pack()[HEAD_BYTES:]) == order


@given(st.none() | st.sampled_from(Fault), st.text(max_size=500), st.text(max_size=500))
def test_a_verdict_comes_as_it_was_given(fault: Fault | None, text: str, cause: str) -> None:
    """Every field of it."""
    verdict = Verdict(fault, text, cause)
    assert Verdict.read(verdict.pack()[HEAD_BYTES:]) == verdict


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"7", b'{"fault": "x", "text": "", "cause": ""}'])
def test_what_is_no_verdict_is_told_by_its_errors(data: bytes) -> None:
    """Those that `Verdict.read` names."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        Verdict.read(data)


def test_long_words_of_a_worker_are_cut() -> None:
    """They go to a client and to the log."""
    verdict = Verdict.read(Verdict(Fault.IMAGE, "x" * 5000, "y" * 5000).pack()[HEAD_BYTES:])
    assert (len(verdict.text), len(verdict.cause)) == (500, 500)


@pytest.mark.parametrize("length", [0, 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES])
def test_pieces_fit_frames_and_none_is_empty(length: int) -> None:
    """An empty frame would end the picture."""
    data = bytes(length)
    cut = list(pieces(data))
    assert b"".join(cut) == data
    assert all(0 < len(piece) <= FRAME_BYTES for piece in cut)


def test_a_frame_says_how_long_it_is() -> None:
    """Four bytes, the high one first."""
    assert frame(b"abc") == b"\0\0\0\3abc"
    assert frame(b"") == END
