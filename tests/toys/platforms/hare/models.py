"""The one model that there is; it only edits."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.platforms.contract import Model

MODELS: Mapping[str, Model] = {"hare-1": Model("hare-1", 1, 5_000_000, 4_000_000, median_s=0.2, sigma=0.1)}
