"""
Colours and alpha of whatever mode Pillow decodes a picture to. Only a worker process imports this.

Pillow 13 clips 16-bit grey to 8 bits instead of scaling it, and compares a PNG's transparent colour (tRNS), which is
written in the file's own depth, with pixels that it has brought to 8 bits. Both are put right here.
https://www.w3.org/TR/png-3/#11tRNS
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops

from gateway.imaging.profiles import srgb

# The factor from a grey value of so many bits to one of 8; of 1 bit Pillow takes care.
_STRETCH = {2: 85, 4: 17}


@dataclass(frozen=True, slots=True)
class Samples:
    """
    How the file has its pixels: so many bits for each of the channels, of which grey has one beside alpha; `inverted`
    when its highest grey is black.
    """

    depth: int
    grey: bool
    inverted: bool = False


RGB = Samples(8, grey=False)


def rgb(image: Image.Image, stored: Samples) -> Image.Image:
    """The colours as they are seen, also those under transparent pixels. A profile for RGB is left to be applied."""
    image.load()  # before its info goes, which says how to
    profile = image.info.get("icc_profile")
    high = _bytes(image)[0] if image.mode.startswith("I;16") else image
    if high is not image and stored.inverted:  # of 8 bits and fewer Pillow takes care
        high = ImageChops.invert(high)
    if high.mode == "RGBa":  # multiplied with its alpha
        high = high.convert("RGBA")
    made = srgb(high.convert("L") if stored.grey else high, profile)
    if made is None:
        made = high if high.mode == "RGB" else high.convert("RGB")
    made.info = {}  # else the transparent colour of a palette would be written again
    return made


def rgba(image: Image.Image, stored: Samples) -> Image.Image:
    """Colours and alpha of a picture that has transparency. A profile for RGB is left to be applied."""
    image.load()
    profile = image.info.get("icc_profile") if stored.grey else None
    key = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(key, int):
        high, low = _bytes(image)
        same = ImageChops.darker(_equal(high, key >> 8), _equal(low, key & 255))
        made = high.convert("RGB")
        made.putalpha(ImageChops.invert(same))
        return _toned(made, profile)
    if image.mode == "L" and stored.depth in _STRETCH and isinstance(key, int):
        image.info["transparency"] = key * _STRETCH[stored.depth]
    elif image.mode == "RGB" and stored.depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(part >> 8 for part in key)
    made = image if image.mode == "RGBA" else image.convert("RGBA")
    made.info = {}
    return _toned(made, profile)


def _toned(grey: Image.Image, profile: bytes | None) -> Image.Image:
    """Grey, written as RGBA, by its profile."""
    if (made := srgb(grey.getchannel("R"), profile)) is None:
        return grey
    made.putalpha(grey.getchannel("A"))
    return made


def _bytes(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The high and the low bytes of 16-bit grey."""
    data = image.tobytes()  # low byte first, unless the mode says B
    pair = data[1::2], data[0::2]
    high, low = reversed(pair) if image.mode.endswith("B") else pair
    return Image.frombytes("L", image.size, high), Image.frombytes("L", image.size, low)


def _equal(image: Image.Image, value: int) -> Image.Image:
    """White where the grey is `value`."""
    return image.point([255 if grey == value else 0 for grey in range(256)])
