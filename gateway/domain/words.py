"""Numbers and truths as form fields carry them."""

from __future__ import annotations

from gateway.domain.errors import InvalidField

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def read_whole(text: str, param: str, lowest: int, highest: int) -> int:
    """A whole number in decimal. Raises: InvalidField."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and lowest <= int(text) <= highest:
        return int(text)
    raise InvalidField(f"{param} is a whole number from {lowest} to {highest}.", param=param)


def read_truth(text: str, param: str) -> bool:
    """`true` or `false`, in any case, or 1 or 0. Raises: InvalidField."""
    if (truth := _TRUTH.get(text.lower())) is None:
        raise InvalidField(f"{param} is true or false.", param=param)
    return truth
