"""From the `kind` in the configuration to the folder of that name; only what is configured is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gateway.platforms.contract import Platform


def build(name: str, settings: Any) -> Platform:
    """The platform instance called `name`; `settings` is the folder's own settings model, checked at load."""
    module = import_module(f"gateway.platforms.{settings.kind}")
    platform: Platform = module.build(name, settings)
    return platform
