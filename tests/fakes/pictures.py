"""Small real pictures for tests."""

from __future__ import annotations

import io
import random

from PIL import Image


def picture(width: int = 64, height: int = 48, *, form: str = "PNG", seed: int = 1, noise: bool = False) -> bytes:
    """A picture in `form` (PNG, JPEG, WEBP); with `noise` it does not compress: about 3 bytes a pixel."""
    dice = random.Random(seed)
    if noise:
        image = Image.frombytes("RGB", (width, height), dice.randbytes(width * height * 3))
    else:
        image = Image.new("RGB", (width, height), (dice.randrange(256), dice.randrange(256), dice.randrange(256)))
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()
