"""Pictures inside a request body: bare base64 (or a data: URI), measured without being decoded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pybase64
from PIL import Image

# https://docs.bfl.ai/kontext/kontext_image_editing: up to 20 MB or 20 megapixels per picture.
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 20_000_000

CORRUPTED = "Invalid or corrupted image input"


class BadInput(Exception):
    """A picture the task cannot work with; its text becomes the task's error."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input picture: its file, pixel size, and the field it came in."""

    field: str
    data: bytes
    size: tuple[int, int]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def texts(body: Mapping[str, object], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """(field, string) of every picture in a body, in the order of `names`; lists are spread out."""
    found: list[tuple[str, str]] = []
    for name in names:
        value = body.get(name)
        items = value if isinstance(value, list) else [value]
        found += [(name, item) for item in items if isinstance(item, str) and item]
    return found


def is_data_uri(text: str) -> bool:
    """Whether a picture was sent as `data:…;base64,…`, which no official example does."""
    return text[:5].lower() == "data:"


def read(field: str, text: str, *, min_side: int = 1, max_pixels: int = MAX_PIXELS) -> Source:
    """
    One picture from its string.

    Raises:
        BadInput: a link, no base64, no picture, or outside of the model's limits.
    """
    if text[:8].lower().startswith(("http://", "https://")):
        raise BadInput("Could not fetch the image from the given URL")
    try:
        data = pybase64.b64decode(text.partition(",")[2] if is_data_uri(text) else text, validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            size = picture.size
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as why:
        raise BadInput(CORRUPTED) from why
    if len(data) > MAX_BYTES or size[0] * size[1] > max_pixels:
        raise BadInput(f"Image input is too large: at most 20 MB and {max_pixels // 1_000_000} megapixels")
    if min(size) < min_side:
        raise BadInput(f"Image input is too small: at least {min_side} pixels a side")
    return Source(field, data, size)
