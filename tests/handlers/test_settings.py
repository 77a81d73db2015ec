"""The operator's limits and a model's."""

from __future__ import annotations

from typing import Any

from gateway.handlers.settings import UploadSettings

MODEL: Any = {"images": 4, "image_bytes": 20_000_000, "image_pixels": 20_000_000}


def test_the_narrower_of_two() -> None:
    """A model's numbers within the operator's, and the other way round; pixels are the model's alone."""
    wide = UploadSettings(images=16, image_bytes=10**9).limits(**MODEL)
    narrow = UploadSettings(images=2, image_bytes=10**6).limits(**MODEL)
    assert (wide.images, wide.image_bytes, wide.image_pixels) == (4, 20_000_000, 20_000_000)
    assert (narrow.images, narrow.image_bytes, narrow.image_pixels) == (2, 10**6, 20_000_000)
