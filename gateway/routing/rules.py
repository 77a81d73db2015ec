"""What can be chosen from, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.routing.settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Offer:
    """
    One platform on a route. A job platform lists the `names` it answers to, each with the model it means; a relay has
    none and takes any.
    """

    platform: str
    default_model: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def relays(self) -> bool:
        return self.default_model is None


@dataclass(frozen=True, slots=True)
class Rules:
    """The offers of each route, the default first. `openai_names`: see `RouteSettings`."""

    routes: Mapping[str, tuple[Offer, ...]]
    openai_names: bool = True

    @classmethod
    def of(cls, settings: RouteSettings, offers: Mapping[str, Offer]) -> Rules:
        """A route the settings leave out goes to the relay; edits without one to the first platform. `offers` by id."""
        relay = tuple(name for name, offer in offers.items() if offer.relays)[:1]
        names = {
            "images.edits": settings.edits or relay or tuple(offers)[:1],
            "images.generations": settings.generations or relay,
        }
        return cls({route: tuple(offers[name] for name in ids) for route, ids in names.items()}, settings.openai_names)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a request. `model` is the client's word for it; `read` is False before the body was read."""

    route: str
    model: str | None = None
    read: bool = False
