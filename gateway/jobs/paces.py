"""Every model's pace, by platform id: what has been learned outlives a reload of the configuration."""

from __future__ import annotations

from gateway.jobs.pace import Pace, Prior
from gateway.platforms.contract import Platform


class Paces:
    """Made when first asked for, from what the platform's table of models believes."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, str], Pace] = {}

    def __call__(self, platform: Platform, model: str) -> Pace:
        pair = (platform.name, model)
        if (found := self._paces.get(pair)) is None:
            told = platform.models[model]
            found = self._paces[pair] = Pace(Prior(told.median_s, told.sigma))
        return found
