"""The words in which the table of models is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.edit import OutputFormat
from gateway.domain.size import Pixels
from gateway.platforms.bfl.options import Option
from gateway.platforms.contract import Model

# https://docs.bfl.ai/quick_start/pricing: prices are for megapixels of 1024 x 1024.
MEGAPIXEL = 1024 * 1024


class Naming(StrEnum):
    """How a body names its pictures."""

    NUMBERED = "input_image, input_image_2, …"
    ARRAY = "images"
    SINGLE = "image"


class Sizing(StrEnum):
    """How a body says the size of the result, where it does not say width and height."""

    RATIO = "aspect_ratio"
    PRESET = "aspect_ratio and resolution"
    INPUT = "not at all: the result is as large as its picture"


@dataclass(frozen=True, slots=True)
class Grid:
    """
    The widths and heights that a model makes: multiples of `step` pixels between `lowest` and `highest`.

    `most` bounds their product.
    """

    step: int
    lowest: int
    highest: int
    most: int


@dataclass(frozen=True, slots=True)
class Price:
    """Credits: for the first megapixel made, for each further one begun, and for each one read."""

    first: float
    further: float = 0.0
    read: float = 0.0

    def of(self, read: int, made: int) -> float:
        """What one call costs that reads and makes so many pixels."""
        further = max(0, _begun(made) - 1)
        return self.first + self.further * further + self.read * _begun(read)


def _begun(pixels: int) -> int:
    return -(-pixels // MEGAPIXEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flux(Model):
    """
    One endpoint of BFL's: what the gateway knows of every model, and what a body for this one looks like.

    `options` are its own fields that a client may set. `tolerance` is the highest `safety_tolerance` where a picture is
    edited, `tolerance_from_text` where none is. `price` is None where none is published. `format` is what it makes
    unless told otherwise; a `strict` one makes nothing else, and refuses whatever it does not know. Pictures have at
    least `min_side` pixels a side. `default_size` is that of a result from text alone.
    """

    sizing: Sizing | Grid
    tolerance: int
    tolerance_from_text: int
    options: Mapping[str, Option] = field(hash=False)
    price: Price | None
    default_size: Pixels
    naming: Naming = Naming.NUMBERED
    format: OutputFormat = OutputFormat.JPEG
    strict: bool = False
    min_side: int = 1

    @property
    def endpoint(self) -> str:
        return f"/v1/{self.name}"

    def takes(self, name: str) -> bool:
        """True when a client may send this field, which OpenAI does not define."""
        if name == "aspect_ratio":
            return self.sizing is not Sizing.INPUT
        return (
            name == "safety_tolerance"
            or name in self.options
            or (name == "prompt_upsampling" and "disable_pup" in self.options)
        )
