"""Numbers and durations as OpenAI's own headers have them."""

from __future__ import annotations

import math

import pytest

from gateway.dialects.openai.ratelimit import NAMES, duration, headers
from gateway.domain.window import Window


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [
        (0.0, "0s"),
        (0.0001, "1ms"),
        (0.12, "120ms"),
        (0.9999, "1s"),
        (1.0, "1s"),
        (8.64, "8.64s"),
        (58.891, "58.891s"),
        (59.9999, "1m0s"),
        (360.0, "6m0s"),
        (432.5, "7m12.5s"),
        (86_400.0, "24h0m0s"),
        (3600.001, "1h0m0.001s"),
    ],
)
def test_durations(seconds: float, spelt: str) -> None:
    """Go's spelling, rounded up: whoever waits as long as told is not early."""
    assert duration(seconds) == spelt


def test_three_for_each_window() -> None:
    """Limit, remaining and reset; whole numbers stay whole."""
    assert headers({"requests": Window(60, 59, 58.891), "megapixels": Window(12.5, 0.1, 1)}) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "58.891s",
        "x-ratelimit-limit-megapixels": "12.5",
        "x-ratelimit-remaining-megapixels": "0.1",
        "x-ratelimit-reset-megapixels": "1s",
    }


def test_nobody_knows_when_a_job_ends() -> None:
    """Then no time is told."""
    found = headers({"jobs": Window(2, 0, math.inf)})
    assert found == {"x-ratelimit-limit-jobs": "2", "x-ratelimit-remaining-jobs": "0"}
    assert set(found) <= set(NAMES)
