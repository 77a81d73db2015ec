"""What an operator may say about uploads."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.handlers.body import Pace
from gateway.handlers.receive import SLACK_BYTES, Limits
from gateway.handlers.settings import MIB, UploadSettings


def test_the_defaults_are_the_documented_ones() -> None:
    """50 MB a picture, 16 pictures, as OpenAI takes them, 16 KiB a second after 5 s, no pause over 10 s."""
    limits = UploadSettings().limits(images=9, image_bytes=10**9, image_pixels=20_000_000)
    assert limits == Limits(50 * MIB, 9, 20_000_000, pace=Pace(5.0, 16 * 1024, 10.0))
    assert limits.total_bytes == 450 * MIB + SLACK_BYTES


def test_a_model_narrows_what_the_operator_allows() -> None:
    """The smaller number counts, whoever names it."""
    settings = UploadSettings.model_validate({"image_bytes": "5MiB", "images": 2})
    wide = settings.limits(images=4, image_bytes=20 * MIB, image_pixels=1)
    narrow = settings.limits(images=1, image_bytes=1 * MIB, image_pixels=1)
    assert (wide.images, wide.image_bytes) == (2, 5 * MIB)
    assert (narrow.images, narrow.image_bytes) == (1, 1 * MIB)


@pytest.mark.parametrize(
    "wrong", [{"images": 0}, {"images": 17}, {"image_bytes": 0}, {"stall": 0}, {"grace": -1}, {"x": 1}]
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    """Nothing, less than nothing and unknown keys are errors."""
    with pytest.raises(ValidationError):
        UploadSettings.model_validate(wrong)
