"""
What a viewer shows of a file, by other means than the gateway's: Pillow's own turning and colour management.

And pictures of blocks, of which a few pixels tell everything: how they lie, and their colours.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import pillow_heif
from PIL import Image, ImageCms, ImageOps

pillow_heif.register_heif_opener()

Colour = tuple[int, int, int, int]
ACROSS, DOWN, SIDE = 4, 3, 16
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def see(data: bytes) -> Image.Image:
    """RGBA in sRGB, upright."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        for xmp in ("xmp", "XML:com.adobe.xmp"):  # browsers turn nothing by it
            image.info.pop(xmp, None)
        source = None
        upright = ImageOps.exif_transpose(image)
        profile = image.info.get("icc_profile")
        with contextlib.suppress(OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
    shown = upright.convert("RGBA")
    space = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}.get(profile[16:20]) if profile else None
    fits = {"RGB": ("RGB", "RGBA", "P", "YCbCr"), "L": ("L", "LA", "1"), "CMYK": ("CMYK",)}
    if source and space and upright.mode in fits[space]:
        plain = shown.convert("RGB") if space == "RGB" else upright.convert(space)
        exact = ImageCms.Flags.NOOPTIMIZE
        colours = ImageCms.profileToProfile(plain, source, SRGB, outputMode="RGB", flags=exact)
        assert colours is not None
        colours.putalpha(shown.getchannel("A"))
        shown = colours
    return shown


def blocks(image: Image.Image) -> list[Colour]:
    """The colours in the middle of blocks, row by row, of a picture that lies as `wide` or turned on its side."""
    across, down = (ACROSS, DOWN) if image.width > image.height else (DOWN, ACROSS)
    step = image.width / across, image.height / down
    places = [(int((x + 0.5) * step[0]), int((y + 0.5) * step[1])) for y in range(down) for x in range(across)]
    found = [image.getpixel(place) for place in places]
    assert all(isinstance(colour, tuple) for colour in found)
    return found  # type: ignore[return-value]  # RGBA has four


def spread(colours: Sequence[int]) -> list[int]:
    """A pixel for each place of a picture of ACROSS times DOWN blocks."""
    return [colours[y // SIDE * ACROSS + x // SIDE] for y in range(DOWN * SIDE) for x in range(ACROSS * SIDE)]
