"""The kinds of values that models' own fields have, each read from the text that a form carries."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.errors import InvalidField
from gateway.domain.words import read_number, read_truth, read_whole


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, bounds included."""

    lowest: int
    highest: int

    def read(self, text: str, name: str) -> int:
        """Raises: InvalidField."""
        return read_whole(text, name, self.lowest, self.highest)


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number, bounds included."""

    lowest: float
    highest: float

    def read(self, text: str, name: str) -> float:
        """Raises: InvalidField."""
        return read_number(text, name, self.lowest, self.highest)


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    def read(self, text: str, name: str) -> bool:
        """Raises: InvalidField."""
        return read_truth(text, name)


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, text: str, name: str) -> str:
        """Raises: InvalidField."""
        if text not in self.words:
            raise InvalidField(f"{name} is one of {', '.join(self.words)}.", param=name)
        return text


Option = Whole | Decimal | Truth | Word
