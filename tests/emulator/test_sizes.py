"""Result sizes by the published buckets and rules."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.emulator.models import MODELS
from gateway.emulator.sizes import BUCKETS, nearest_bucket, result_size


def test_buckets_are_symmetric_multiples_of_sixteen() -> None:
    """Seventeen sizes, each with its mirror."""
    assert len(BUCKETS) == 17
    assert {(h, w) for w, h in BUCKETS} == set(BUCKETS)
    assert all(w % 16 == h % 16 == 0 for w, h in BUCKETS)


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("21:9", (1568, 672)),
        ("7:3", (1568, 672)),
        ("2:1", (1456, 720)),
        ("16:9", (1392, 752)),
        ("3:2", (1248, 832)),
        ("4:3", (1184, 880)),
        ("7:5", (1184, 880)),
        ("5:4", (1104, 944)),
        ("1:1", (1024, 1024)),
        ("4:5", (944, 1104)),
        ("3:4", (880, 1184)),
        ("2:3", (832, 1248)),
        ("9:16", (752, 1392)),
        ("9:21", (672, 1568)),
    ],
)
def test_kontext_ratios(ratio: str, size: tuple[int, int]) -> None:
    """A ratio asked for decides, whatever the input."""
    assert result_size(MODELS["flux-kontext-pro"], {"aspect_ratio": ratio}, ((10, 999),)) == size


@pytest.mark.parametrize(
    ("given", "size"), [((2048, 1365), (1248, 832)), ((1024, 768), (1184, 880)), ((768, 1280), (800, 1328))]
)
def test_kontext_keeps_the_inputs_ratio(given: tuple[int, int], size: tuple[int, int]) -> None:
    """Pairs from the documentation's own samples."""
    assert result_size(MODELS["flux-kontext-max"], {}, (given, (5, 5))) == size


def test_extremes_fall_into_the_last_bucket() -> None:
    """Very wide and very tall."""
    assert nearest_bucket(100) == (1568, 672)
    assert nearest_bucket(0.01) == (672, 1568)


@pytest.mark.parametrize(
    ("model", "fields", "given", "size"),
    [
        ("flux-2-pro", {}, (), (1024, 1024)),
        ("flux-2-pro", {}, ((1000, 777),), (992, 768)),
        ("flux-2-pro", {}, ((4096, 4096),), (2048, 2048)),
        ("flux-2-flex", {"width": 640, "height": 650}, ((9, 9),), (640, 640)),
        ("flux-pro-1.1", {"width": 1440, "height": 256}, (), (1440, 256)),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "16:9"}, (), (2784, 1504)),
        ("flux-pro-1.0-fill", {}, ((333, 444),), (333, 444)),
        ("flux-pro-1.0-expand", {"top": 10, "left": 20, "right": None}, ((300, 400),), (320, 410)),
        ("flux-3-image", {"aspect_ratio": "auto", "resolution": "1k"}, (), (1024, 1024)),
        ("flux-3-image", {"aspect_ratio": "2:1", "resolution": "2k"}, (), (2896, 1456)),
    ],
)
def test_the_other_models(
    model: str, fields: dict[str, Any], given: tuple[tuple[int, int], ...], size: tuple[int, int]
) -> None:
    """Each by its own rule."""
    assert result_size(MODELS[model], fields, given) == size
