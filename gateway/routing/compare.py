"""Comparisons as rules write them: `>4`, `<=1`, `2`, `>=24MP`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

MEGA = 1_000_000
_WRITTEN = re.compile(r"(<=|>=|<|>|=)? ?([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(MP)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole numbers from `lowest` to `highest`, both included; `highest` is None without an upper bound."""

    lowest: int
    highest: int | None

    @classmethod
    def read(cls, text: str, *, megapixels: bool = False) -> Comparison:
        """
        `megapixels` allows the unit MP, a million.

        Raises: ValueError for anything that is no comparison, or that no number satisfies.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None or (found[3] and not megapixels):
            raise ValueError(
                "should be a comparison such as " + (">4MP or <=1000000" if megapixels else ">4, <=1 or 2")
            )
        exact = Fraction(found[2]) * (MEGA if found[3] else 1)
        up, down = ceil(exact), floor(exact)
        lowest, highest = {
            "<": (0, up - 1),
            "<=": (0, down),
            ">": (down + 1, None),
            ">=": (up, None),
        }.get(found[1], (up, down))
        if highest is not None and highest < lowest:
            raise ValueError("is a comparison that no number satisfies")
        return cls(lowest, highest)

    def holds(self, number: int) -> bool:
        return self.lowest <= number and (self.highest is None or number <= self.highest)

    def meets(self, other: Comparison) -> bool:
        """True when some number satisfies both."""
        highest = [each.highest for each in (self, other) if each.highest is not None]
        return max(self.lowest, other.lowest) <= min(highest, default=max(self.lowest, other.lowest))

    def covers(self, other: Comparison) -> bool:
        """True when this holds wherever the other does."""
        if self.highest is not None and (other.highest is None or other.highest > self.highest):
            return False
        return self.lowest <= other.lowest
