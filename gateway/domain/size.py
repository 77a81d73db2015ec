"""Sizes as clients write them: `1024x768`, `16:9`, `auto`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import gcd

_PIXELS = re.compile(r"([1-9][0-9]{0,4})[xX×]([1-9][0-9]{0,4})", re.ASCII)
_RATIO = re.compile(r"([1-9][0-9]{0,4}):([1-9][0-9]{0,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pixels:
    """A width and a height in pixels."""

    width: int
    height: int

    @property
    def ratio(self) -> Ratio:
        shared = gcd(self.width, self.height)
        return Ratio(self.width // shared, self.height // shared)

    @property
    def count(self) -> int:
        return self.width * self.height

    def turned(self, orientation: int) -> Pixels:
        """As seen, of a picture stored with this size and EXIF orientation (1 to 8); and the other way round."""
        return Pixels(self.height, self.width) if orientation > 4 else self

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A width:height ratio, as it was written."""

    width: int
    height: int

    def within(self, narrowest: Ratio, widest: Ratio) -> bool:
        """True when the ratio lies between the two, bounds included; exact integer arithmetic."""
        return (
            self.width * narrowest.height >= narrowest.width * self.height
            and self.width * widest.height <= widest.width * self.height
        )

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"


def read_size(text: str) -> Pixels | Ratio | None:
    """
    Read a size.

    Returns: `Pixels` for `WxH`, `Ratio` for `W:H`, None for `auto`.
    Raises: ValueError when it is none of the three.
    """
    if text == "auto":
        return None
    if found := _PIXELS.fullmatch(text):
        return Pixels(int(found[1]), int(found[2]))
    if found := _RATIO.fullmatch(text):
        return Ratio(int(found[1]), int(found[2]))
    raise ValueError(text)
