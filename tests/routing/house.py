"""Offers of a few platforms, and rules over them, as an operator would write them."""

from __future__ import annotations

from typing import Any

from gateway.routing.facts import PATHS, Facts, Kind
from gateway.routing.offer import JobOffer, Menu, Offer, RelayOffer
from gateway.routing.rules import Rules
from gateway.routing.settings import RouteSettings

EDITS = {"kontext-pro": "kontext-pro", "kontext-max": "kontext-max", "flux1_kontext": "kontext-pro"}
BOTH = {"pro-1.1": "pro-1.1", "kontext-pro": "kontext-pro", "kontext-max": "kontext-max"}

OFFERS: dict[str, Offer] = {
    "bfl": JobOffer("bfl", {Kind.EDIT: Menu("kontext-pro", EDITS), Kind.GENERATION: Menu("pro-1.1", BOTH)}),
    "other": JobOffer(
        "other", {Kind.EDIT: Menu("kontext-max", {"kontext-max": "kontext-max", "seedream": "seedream"})}
    ),
    "openai": RelayOffer("openai"),
    "azure": RelayOffer(
        "azure",
        {"gpt-image-1": "gpt-image-1", "pictures": "gpt-image-1", "gpt-image-2": "gpt-image-2"},
        fallback="gpt-image-1",
    ),
    "pinned": RelayOffer("pinned", image_model="gpt-image-1-mini"),
}


def rules(routes: dict[str, Any], offers: dict[str, Offer] | None = None) -> Rules:
    """`routes` as in the configuration file."""
    return Rules.of(RouteSettings.model_validate(routes), OFFERS if offers is None else offers)


def edit(model: str | None = None, **more: Any) -> Facts:
    """The facts of an edit whose body has been read."""
    return Facts("images.edits", **{"model": model, "read": True, "path": PATHS[Kind.EDIT], "images": 1} | more)


def generation(model: str | None = None, **more: Any) -> Facts:
    """The facts of a generation whose body has been read."""
    return Facts("images.generations", **{"model": model, "read": True, "path": PATHS[Kind.GENERATION]} | more)
