"""From the size a client asked for to the one a model makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField
from gateway.domain.size import Pixels, Ratio, read_size
from gateway.platforms.bfl.kinds import MEGAPIXEL, Flux, Grid, Sizing
from gateway.platforms.bfl.models import NARROWEST, WIDEST

# https://docs.bfl.ai/flux_3/flux3_image
PRESETS = (
    *("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1"),
    *("4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21"),
)
AREAS = {
    "768sq": 768 * 768,
    "1k": MEGAPIXEL,
    "1.5k": 1536 * 1536,
    "2k": 4 * MEGAPIXEL,
    "4k": 16 * MEGAPIXEL,
}


# What a client may have a result scaled to, which is some megapixels when it is made.
MOST_EXACT = 20_000_000

Inputs = tuple[Pixels | None, ...]
"""The sizes of the pictures, None for one behind a link."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields that say a size, what the client is told, and about how many pixels the result has."""

    fields: Mapping[str, str | int]
    told: str
    area: int


def shape(model: Flux, wanted: Pixels | Ratio | None, inputs: Inputs, param: str = "size") -> Shape:
    """
    The size in the model's words; None leaves it to the model.

    `param` is the client's field that asks for it.

    Raises: InvalidField.
    """
    if wanted is None or model.sizing is Sizing.INPUT:
        return _left_open(model, inputs)
    if isinstance(model.sizing, Grid):
        area = inputs[0].count if inputs and inputs[0] else MEGAPIXEL
        size = _fit(model.sizing, wanted, area, param)
        return Shape({"width": size.width, "height": size.height}, str(size), size.count)
    ratio = wanted.ratio if isinstance(wanted, Pixels) else wanted
    if not ratio.within(Ratio(*NARROWEST), Ratio(*WIDEST)):
        raise InvalidField(
            f"{param} asks for {ratio}; allowed are ratios from {NARROWEST[0]}:{NARROWEST[1]} (portrait) "
            f"to {WIDEST[0]}:{WIDEST[1]} (landscape), or auto.",
            param=param,
        )
    if model.sizing is Sizing.RATIO:
        # Results by ratio have one area: https://docs.bfl.ai/kontext/kontext_image_editing
        return Shape({"aspect_ratio": str(ratio)}, str(ratio), model.default_size.count)
    preset = min(PRESETS, key=lambda text: _apart(_quotient(text), ratio.width / ratio.height))
    if isinstance(wanted, Ratio):
        return Shape({"aspect_ratio": preset}, preset, MEGAPIXEL)
    # Of two that are equally far the first counts, so that 1536x1024 stays with the cheaper `1k`.
    resolution = min(AREAS, key=lambda word: _apart(AREAS[word], wanted.count))
    return Shape({"aspect_ratio": preset, "resolution": resolution}, f"{preset} at {resolution}", AREAS[resolution])


def exact(edit: Edit, *, by_ratio: bool) -> Pixels | None:
    """
    The size that answers are brought to: the one asked for, else, where no ratio is, the first picture's as it is seen.

    Raises: InvalidField.
    """
    if isinstance(edit.size, Pixels):
        if edit.size.count > MOST_EXACT:
            text = f"size asks for {edit.size.count} pixels; up to {MOST_EXACT} are made exactly."
            raise InvalidField(text, param="size")
        return edit.size
    if edit.size or by_ratio or edit.from_text or isinstance(first := edit.images[0], Link):
        return None
    return first.pixels if first.pixels.count <= MOST_EXACT else None


def read_ratio(text: str) -> Ratio | None:
    """`W:H`, or None for `auto`. Raises: InvalidField."""
    try:
        read = read_size(text)
    except ValueError:
        read = Pixels(1, 1)
    if isinstance(read, Pixels):
        raise InvalidField("aspect_ratio is written W:H, such as 16:9.", param="aspect_ratio")
    return read


def _left_open(model: Flux, inputs: Inputs) -> Shape:
    if not inputs:
        return Shape({}, "auto" if model.sizing is Sizing.PRESET else str(model.default_size), model.default_size.count)
    if model.sizing in (Sizing.RATIO, Sizing.PRESET):
        # The input's own ratio is kept: shown by the before-and-after pairs on the Kontext page.
        return Shape({}, "input ratio", model.default_size.count)
    # https://docs.bfl.ai/flux_2/flux2_image_editing: the input's size, 4 MP at most; a link's is unknown before.
    most = model.sizing.most if isinstance(model.sizing, Grid) else model.max_image_pixels
    return Shape({}, "input size", min(inputs[0].count if inputs[0] else most, most))


def _fit(grid: Grid, wanted: Pixels | Ratio, area: int, param: str) -> Pixels:
    """The size on the grid that is nearest to what is wanted, scaled into its bounds with the ratio kept."""
    width, height = float(wanted.width), float(wanted.height)
    if isinstance(wanted, Ratio):
        scale = sqrt(area / (width * height))
        width, height = width * scale, height * scale
    grow = max(1.0, grid.lowest / min(width, height))
    width, height = width * grow, height * grow
    shrink = min(1.0, grid.highest / max(width, height), sqrt(grid.most / (width * height)))
    width, height = width * shrink, height * shrink
    if min(width, height) < grid.lowest - 0.5:
        raise InvalidField(
            f"{param} asks for {wanted}; sides may be {grid.lowest} to {grid.highest} pixels long and have "
            f"{grid.most} pixels together, which no size of this ratio has.",
            param=param,
        )
    wide, high = _nearest(grid, width), _nearest(grid, height)
    while wide * high > grid.most:
        wide, high = (wide - grid.step, high) if wide >= high else (wide, high - grid.step)
    return Pixels(wide, high)


def _nearest(grid: Grid, side: float) -> int:
    return min(max(round(side / grid.step) * grid.step, grid.lowest), grid.highest)


def _quotient(text: str) -> float:
    width, height = text.split(":")
    return int(width) / int(height)


def _apart(a: float, b: float) -> float:
    """How many times the smaller one is the larger."""
    return max(a / b, b / a)
