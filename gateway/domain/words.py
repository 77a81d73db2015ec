"""Numbers and truths as form fields carry them."""

from __future__ import annotations

import re

from gateway.domain.errors import InvalidField

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def read_whole(text: str, param: str, lowest: int, highest: int) -> int:
    """A whole number in decimal. Raises: InvalidField."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and lowest <= int(text) <= highest:
        return int(text)
    raise InvalidField(f"{param} is a whole number from {lowest} to {highest}.", param=param)


def read_number(text: str, param: str, lowest: float, highest: float) -> float:
    """A number in decimal, with a point if need be. Raises: InvalidField."""
    if _NUMBER.fullmatch(text) and lowest <= float(text) <= highest:
        return float(text)
    raise InvalidField(f"{param} is a number from {lowest:g} to {highest:g}.", param=param)


def read_truth(text: str, param: str) -> bool:
    """`true` or `false`, in any case, or 1 or 0. Raises: InvalidField."""
    if (truth := _TRUTH.get(text.lower())) is None:
        raise InvalidField(f"{param} is true or false.", param=param)
    return truth
