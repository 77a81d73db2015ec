"""A model's own fields: each kind takes what is in its range, and says the range otherwise."""

from __future__ import annotations

import pytest

from gateway.domain.errors import InvalidField
from gateway.platforms.bfl.options import Decimal, Option, Truth, Whole, Word


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (Whole(1, 50), "1", 1),
        (Whole(1, 50), "50", 50),
        (Decimal(1.5, 10), "1.5", 1.5),
        (Decimal(1.5, 10), "10", 10.0),
        (Truth(), "TRUE", True),
        (Truth(), "0", False),
        (Word(("1k", "2k")), "2k", "2k"),
    ],
)
def test_taken(option: Option, text: str, value: object) -> None:
    """As JSON has it, by type as well."""
    found = option.read(text, "x")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        (Whole(1, 50), "0", "1 to 50"),
        (Whole(1, 50), "1.0", "whole number"),
        (Decimal(1.5, 10), "1.49", "1.5 to 10"),
        (Decimal(1.5, 100), "101", "1.5 to 100"),
        (Truth(), "yes", "true or false"),
        (Word(("1k", "2k")), "2K", "1k, 2k"),
        (Word(("1k", "2k")), "", "1k, 2k"),
    ],
)
def test_refused(option: Option, text: str, words: str) -> None:
    """Under the name that the client used."""
    with pytest.raises(InvalidField) as caught:
        option.read(text, "x")
    assert caught.value.param == "x"
    assert words in caught.value.text
