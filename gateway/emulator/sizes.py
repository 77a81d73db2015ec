"""How big the result is: fixed buckets for Kontext, multiples of 16 for FLUX.2, the rest by their own rule."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gateway.emulator.models import Model

Size = tuple[int, int]

MEGAPIXEL = 1024 * 1024

# https://github.com/black-forest-labs/flux (the Kontext preferred resolutions); hosted samples agree.
_LANDSCAPE: tuple[Size, ...] = (
    (1104, 944),
    (1184, 880),
    (1248, 832),
    (1328, 800),
    (1392, 752),
    (1456, 720),
    (1504, 688),
    (1568, 672),
)
BUCKETS: tuple[Size, ...] = (*((h, w) for w, h in reversed(_LANDSCAPE)), (1024, 1024), *_LANDSCAPE)

_FLUX3_AREA = {
    "768sq": 768 * 768,
    "1k": MEGAPIXEL,
    "1.5k": 1536 * 1536,
    "2k": 4 * MEGAPIXEL,
    "4k": 16 * MEGAPIXEL,
}


def result_size(model: Model, fields: Mapping[str, object], inputs: tuple[Size, ...]) -> Size:
    """
    Width and height of the result in pixels.

    Args:
        fields: the validated body.  inputs: sizes of the input pictures, in order.
    """
    first = inputs[0] if inputs else None
    if model.sizing in ("bucket", "double_bucket"):
        wanted = _ratio(fields.get("aspect_ratio")) or (first and first[0] / first[1]) or 1.0
        width, height = nearest_bucket(wanted)
        scale = 2 if model.sizing == "double_bucket" else 1
        return width * scale, height * scale
    if model.sizing == "pixels":
        return _by_sixteen(_number(fields, "width"), _number(fields, "height"), first)
    if model.sizing == "given":
        return _number(fields, "width"), _number(fields, "height")
    if model.sizing == "resolution":
        wanted = _ratio(fields.get("aspect_ratio")) or (first and first[0] / first[1]) or 1.0
        return _of_area(wanted, _FLUX3_AREA[str(fields.get("resolution"))])
    width, height = first or (1024, 1024)
    if model.sizing == "margins":
        width += _number(fields, "left") + _number(fields, "right")
        height += _number(fields, "top") + _number(fields, "bottom")
    return width, height


def nearest_bucket(ratio: float) -> Size:
    """The Kontext size whose width / height is nearest to `ratio`."""
    return min(BUCKETS, key=lambda size: abs(size[0] / size[1] - ratio))


def _by_sixteen(width: int, height: int, first: Size | None) -> Size:
    """FLUX.2: what was asked, or the input's size, at most 4 MP, cropped down to multiples of 16."""
    base_width, base_height = first or (1024, 1024)
    width, height = width or base_width, height or base_height
    shrink = min(1.0, math.sqrt(4 * MEGAPIXEL / (width * height)))
    return max(64, int(width * shrink) // 16 * 16), max(64, int(height * shrink) // 16 * 16)


def _of_area(ratio: float, area: int) -> Size:
    width = math.sqrt(area * ratio)
    return round(width / 16) * 16, round(width / ratio / 16) * 16


def _ratio(text: object) -> float | None:
    if not isinstance(text, str) or ":" not in text:
        return None
    left, right = text.split(":")
    return int(left) / int(right)


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) else 0
