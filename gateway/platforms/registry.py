"""
From the `kind` in the configuration to the folder of that name. A folder that is put beside the others is a platform:
its package has `SETTINGS`, what may be configured, and `build`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from gateway import platforms
from gateway.platforms.account import Account
from gateway.platforms.contract import Platform


def kinds() -> tuple[str, ...]:
    """The names of the folders, sorted."""
    return tuple(sorted(found.name for found in iter_modules(platforms.__path__) if found.ispkg))


def settings(kind: str) -> type[Account]:
    """What may be configured of this kind."""
    made: type[Account] = import_module(f"gateway.platforms.{kind}").SETTINGS
    return made


def build(name: str, settings: Any) -> Platform:
    """The platform instance called `name`; `settings` is the folder's own settings model, checked at load."""
    platform: Platform = import_module(f"gateway.platforms.{settings.kind}").build(name, settings)
    return platform
