"""What can be chosen from, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.caller import Caller
from gateway.domain.target import NO_TERMS, Terms
from gateway.routing.settings import RouteSettings

NOBODY = Caller("nobody")


@dataclass(frozen=True, slots=True)
class Offer:
    """
    One platform on a route. A job platform lists the `names` it answers to, each with the model it means; a relay has
    none and takes any.
    """

    platform: str
    default_model: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    terms: Terms = NO_TERMS

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
    """
    What is known of a request. `route` is the name of its resource, `path` begins with `/v1/`, without the gateway's
    own prefix; `headers` are looked up without regard to case.

    `read` is False before the body was read; what follows it is known only then. `model` is the client's word for it;
    `images` and `mask` say what came with the request, `pixels` is the largest picture's width × height.
    """

    route: str
    model: str | None = None
    read: bool = False
    path: str = ""
    caller: Caller = NOBODY
    headers: Mapping[str, str] = field(default_factory=dict)
    n: int = 1
    images: int = 0
    mask: bool = False
    pixels: int = 0
