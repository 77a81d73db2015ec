"""Pixel work as data: what a platform wants done to a picture before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.domain.edit import OutputFormat
from gateway.domain.size import Pixels


@dataclass(frozen=True, slots=True)
class Rework:
    """
    A picture that is still to be made from `source`. It stands upright, and shows what viewers show of the source.

    `mask`: its transparent pixels become white, its opaque ones black, those between grey.
    `flatten`: its alpha channel is dropped, so that nobody takes it for a mask.
    `pixels`: scaled to exactly this size, which is that of what is seen. A scaled JPEG stays one.
    `orientation`: the EXIF number by which it is turned, in place of the source's own.
    `crop`: `pixels` is filled from the middle of the picture, whose ratio is kept; and its format stays.
    `form`: what it becomes; what has transparency becomes a PNG all the same.
    A picture, not a mask, that as a PNG would be larger than vendors take becomes a JPEG, with transparency a WebP.
    """

    source: Blob
    mask: bool = False
    flatten: bool = False
    pixels: Pixels | None = None
    orientation: int | None = None
    form: OutputFormat | None = None
    crop: bool = False
