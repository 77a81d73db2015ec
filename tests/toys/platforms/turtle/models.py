"""The one model that there is."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.platforms.contract import Model

MODELS: Mapping[str, Model] = {
    "turtle-1": Model("turtle-1", 2, 10_000_000, 16_000_000, median_s=1.0, sigma=0.2, generates=True)
}
