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
    `flatten`: its alpha channel is dropped, so that nobody takes it for a mask. Both make a PNG without alpha, and leave
    the picture lying as it is stored. `pixels`: scaled to exactly this size, which counts as the source's does: as it is
    stored. Then it is turned upright, as its EXIF orientation says. A scaled JPEG stays one, and a PNG that would be
    larger than vendors take becomes one.
    """

    source: Blob
    mask: bool = False
    flatten: bool = False
    pixels: Pixels | None = None
