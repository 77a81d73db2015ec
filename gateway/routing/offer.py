"""What each platform offers, as far as choosing needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gateway.domain.caller import Caller
from gateway.domain.target import NO_TERMS, Terms
from gateway.routing.facts import Kind


@dataclass(frozen=True, slots=True)
class Menu:
    """What a platform makes of one kind: the names it answers to, each with the model it means, and the default."""

    default: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class JobOffer:
    """A platform whose requests are translated. It has a menu for each kind it makes."""

    platform: str
    menus: Mapping[Kind, Menu]
    terms: Terms = NO_TERMS

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Every name of every kind."""
        return {name: model for menu in self.menus.values() for name, model in menu.names.items()}

    def allows(self, caller: Caller, model: str) -> bool:
        return _allows(caller, model, self.names)


@dataclass(frozen=True, slots=True)
class RelayOffer:
    """
    A platform that gets the request itself, and takes any model.

    `names` are those it is known for and its aliases, each with the name that is sent; `image_model` is sent instead
    of whatever the client named, `fallback` instead of a model that only job platforms have. Images only.
    """

    platform: str
    names: Mapping[str, str] = field(default_factory=dict)
    image_model: str | None = None
    fallback: str | None = None

    def allows(self, caller: Caller, model: str) -> bool:
        return _allows(caller, model, self.names)


Offer = JobOffer | RelayOffer


def job_names(offers: Iterable[Offer]) -> frozenset[str]:
    """Every name that some job platform answers to."""
    return frozenset(name for offer in offers if isinstance(offer, JobOffer) for name in offer.names)


def _allows(caller: Caller, model: str, names: Mapping[str, str]) -> bool:
    """A key that allows one of a model's names allows the model."""
    if caller.may_use(model):
        return True
    return any(caller.may_use(name) for name, meant in names.items() if meant == model)
