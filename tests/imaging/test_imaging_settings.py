"""What an operator may say about pixel work."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.imaging.settings import MIB, ImagingSettings


def test_the_defaults_are_the_documented_ones() -> None:
    """Two workers of 1 GiB, 20 s and 100 megapixels a picture."""
    settings = ImagingSettings()
    assert (settings.workers, settings.queue_limit, settings.within) == (2, 64, 20.0)
    assert (settings.memory, settings.max_pixels) == (1024 * MIB, 100_000_000)


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"queue_limit": -1}, {"within": 0}, {"memory": "64MiB"}, {"max_pixels": 0}, {"x": 1}]
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    """No worker, no time, less memory than an interpreter takes, unknown keys."""
    with pytest.raises(ValidationError):
        ImagingSettings.model_validate(wrong)
