"""
What the numbers in a picture mean as colours. Only a worker process imports this.

A profile for RGB goes along as it is, and so do a PNG's own words for the same. Of other channels than the result has,
a profile is applied: the result is sRGB.
"""

from __future__ import annotations

import io
from functools import cache

from PIL import Image, ImageCms

# https://www.color.org/specification/ICC.1-2022-05.pdf 7.2: the colour space that the profile describes.
_SPACE = slice(16, 20)
_MODES = {b"GRAY": "L", b"CMYK": "CMYK"}


def space(profile: bytes | None) -> bytes:
    """Four letters, as the profile has them; empty without one."""
    return profile[_SPACE] if profile else b""


def srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """RGB of a picture in mode L or CMYK; None when the profile is for other channels, broken, or not there."""
    if profile is None or _MODES.get(space(profile)) != image.mode:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L":
            return _by_table(image, source)
        return ImageCms.profileToProfile(image, source, _target(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # as every viewer does with a profile that it cannot read


def _by_table(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    """Of 256 greys each is worked out exactly, where a whole picture's would be interpolated."""
    greys = Image.frombytes("L", (256, 1), bytes(range(256)))
    table = ImageCms.profileToProfile(greys, source, _target(), outputMode="RGB", flags=ImageCms.Flags.NOOPTIMIZE)
    assert table is not None  # it would be when the picture itself was changed
    return Image.merge("RGB", [image.point(list(band.tobytes())) for band in table.split()])


@cache
def _target() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
