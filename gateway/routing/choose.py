"""One function for the chain, which knows path and headers, and for the handler, which has read the body as well."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.domain.errors import ModelNotFound
from gateway.domain.target import JobTarget, RelayTarget, Target
from gateway.routing.rules import Facts, Offer, Rules

# Names that many applications have built in and cannot change.
OPENAI_NAMES = ("gpt-image-*", "chatgpt-image-*", "dall-e-*")


def choose(rules: Rules, facts: Facts) -> tuple[Target, ...]:
    """
    The targets that may serve the request, best first; before the body is read, all within reach.

    Raises: ModelNotFound when the body is read and nobody serves its model.
    """
    offers = rules.routes.get(facts.route, ())
    if not facts.read:
        return tuple(_target(offer, offer.default_model) for offer in offers)
    if facts.model is None:
        return tuple(_target(offer, offer.default_model) for offer in offers[:1])
    if named := [offer for offer in offers if facts.model in offer.names]:
        return tuple(_target(offer, offer.names[str(facts.model)]) for offer in named)
    if relays := [offer for offer in offers if offer.relays]:
        return tuple(_target(offer, None) for offer in relays)
    if rules.openai_names and len(offers) == 1 and any(fnmatchcase(facts.model, name) for name in OPENAI_NAMES):
        return (_target(offers[0], offers[0].default_model),)
    known = sorted({name for offer in offers for name in offer.names})
    raise ModelNotFound(
        f"The model '{facts.model[:64]}' does not exist here. Known for this path: {', '.join(known)}.", param="model"
    )


def _target(offer: Offer, model: str | None) -> Target:
    return RelayTarget(offer.platform) if model is None else JobTarget(offer.platform, model, offer.terms)
