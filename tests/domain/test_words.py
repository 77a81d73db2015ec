"""Numbers and truths as form fields carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import InvalidField
from gateway.domain.words import read_number, read_truth, read_whole


@pytest.mark.parametrize(("text", "number"), [("1.5", 1.5), ("10", 10.0), ("10.0", 10.0), ("2.25", 2.25), ("003", 3.0)])
def test_numbers(text: str, number: float) -> None:
    """With a point or without, bounds included."""
    assert read_number(text, "guidance", 1.5, 10) == number


@pytest.mark.parametrize(
    "text", ["", "1.4", "10.1", "-2", "nan", "inf", "1e1", "2,5", " 2", "2 ", ".5", "2.", "²", "9" * 5000]
)
def test_no_numbers(text: str) -> None:
    """Refused with the range, under the client's name for it."""
    with pytest.raises(InvalidField) as caught:
        read_number(text, "guidance", 1.5, 10)
    assert caught.value.param == "guidance"
    assert caught.value.text == "guidance is a number from 1.5 to 10."


@given(st.floats(-999, 999).map(lambda number: round(number, 6)))
def test_numbers_written_out(number: float) -> None:
    """What is written with a point comes back as it was, on either side of zero."""
    assert read_number(f"{number:.6f}", "x", -1000, 1000) == number


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    for read in (
        lambda: read_number(text, "x", 0, 9),
        lambda: read_whole(text, "x", 0, 9),
        lambda: read_truth(text, "x"),
    ):
        params = []
        try:
            assert 0 <= read() <= 9
        except InvalidField as error:
            params.append(error.param)
        assert params in ([], ["x"])
