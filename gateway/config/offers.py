"""What the configured platforms offer to routing, which knows no platform."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.target import Terms
from gateway.platforms.contract import Model, Platform
from gateway.platforms.openai import OpenAi
from gateway.routing.facts import Kind
from gateway.routing.offer import JobOffer, Menu, Offer, RelayOffer


def offers(platforms: Mapping[str, Platform | OpenAi]) -> dict[str, Offer]:
    """By the same ids, in the same order."""
    return {name: offer(platform) for name, platform in platforms.items()}


def offer(platform: Platform | OpenAi) -> Offer:
    if isinstance(platform, OpenAi):
        settings = platform.settings
        names = {model: model for model in settings.models} | settings.aliases
        return RelayOffer(platform.name, names, settings.image_model, settings.image_model_fallback)
    kinds = {kind: menu for kind in Kind if (menu := _menu(platform, kind)) is not None}
    return JobOffer(platform.name, kinds, Terms(platform.defaults))


def _menu(platform: Platform, kind: Kind) -> Menu | None:
    """The models that can do it; the platform's default among them, else the first of its table."""
    able = [name for name, model in platform.models.items() if _makes(model, kind)]
    if not able:
        return None
    names = {name: name for name in able} | {alias: name for alias, name in platform.aliases.items() if name in able}
    default = platform.default_model if kind is Kind.EDIT else platform.default_generation
    return Menu(default if default in able else able[0], names)


def _makes(model: Model, kind: Kind) -> bool:
    return model.edits if kind is Kind.EDIT else model.generates
