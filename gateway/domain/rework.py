"""Pixel work as data: what a platform wants done to a picture before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.domain.size import Pixels


@dataclass(frozen=True, slots=True)
class Rework:
    """
    A picture that is still to be made from `source`.

    `mask`: its transparent pixels become white, its opaque ones black, those between grey.
    `flatten`: its alpha channel is dropped, so that nobody takes it for a mask. Both make a picture without alpha that
    lies as the source is stored, so that the two stay one above the other.
    `pixels`: scaled to exactly this size, which counts as the source's own does, as it is stored. Without `mask` and
    `flatten` it is turned upright then, as its EXIF orientation says. A scaled JPEG stays one.
    A picture, not a mask, that as a PNG would be larger than vendors take becomes a JPEG.
    """

    source: Blob
    mask: bool = False
    flatten: bool = False
    pixels: Pixels | None = None
