"""
Colours and alpha of whatever mode Pillow decodes a picture to. Only a worker process imports this.

Pillow 13 clips 16-bit grey to 8 bits instead of scaling it, and compares a PNG's transparent colour (tRNS), which is
written in the file's own depth, with pixels that it has brought to 8 bits. Both are put right here.
https://www.w3.org/TR/png-3/#11tRNS
"""

from __future__ import annotations

from PIL import Image, ImageChops

# The factor from a grey value of so many bits to one of 8; of 1 bit Pillow takes care.
_STRETCH = {2: 85, 4: 17}


def rgb(image: Image.Image) -> Image.Image:
    """The colours as they are, also those under transparent pixels."""
    image.load()  # before its info goes, which says how to
    high = _bytes(image)[0] if image.mode.startswith("I;16") else image
    made = high if high.mode == "RGB" else high.convert("RGB")
    made.info = {}  # else the transparent colour of a palette would be written again
    return made


def rgba(image: Image.Image, depth: int) -> Image.Image:
    """Colours and alpha of a picture that has transparency; `depth` is in bits, as the file has it."""
    image.load()
    key = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(key, int):
        high, low = _bytes(image)
        same = ImageChops.darker(_equal(high, key >> 8), _equal(low, key & 255))
        made = high.convert("RGB")
        made.putalpha(ImageChops.invert(same))
        return made
    if image.mode == "L" and depth in _STRETCH and isinstance(key, int):
        image.info["transparency"] = key * _STRETCH[depth]
    elif image.mode == "RGB" and depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(part >> 8 for part in key)
    made = image if image.mode == "RGBA" else image.convert("RGBA")
    made.info = {}
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
