"""Whether rules and lists lead somewhere: every problem with the path of its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.offers import offers
from gateway.config.problem import KeyPath
from gateway.domain.edit import read_response_format
from gateway.domain.errors import InvalidField
from gateway.platforms import registry
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi
from gateway.routing.facts import Kind
from gateway.routing.offer import JobOffer, Offer
from gateway.routing.possible import asked_in_vain, possible_kinds
from gateway.routing.rules import Rules
from gateway.routing.settings import RouteSettings, RuleSettings, TargetSettings, split_entry

Problem = tuple[KeyPath, str]

LISTS = {"edits": Kind.EDIT, "generations": Kind.GENERATION}
MAKES = {Kind.EDIT: "edits", Kind.GENERATION: "makes pictures from text"}


def check_routes(platforms: Mapping[str, Any], routes: RouteSettings) -> Iterator[Problem]:
    """`platforms` are the settings of each. Only routes that lead somewhere are asked whether a rule can be reached."""
    built = _built(platforms)
    offered = offers(built)
    found = [*_check_lists(offered, routes), *_check_rules(built, offered, routes)]
    yield from found
    if not found:
        yield from _unreachable(Rules.of(routes, offered))


def compiled(platforms: Mapping[str, Any], routes: RouteSettings) -> Rules:
    """The rules as they would be in force; `platforms` are the settings of each."""
    return Rules.of(routes, offers(_built(platforms)))


def _built(platforms: Mapping[str, Any]) -> dict[str, Platform | OpenAi]:
    return {name: registry.build(name, settings) for name, settings in platforms.items()}


def _check_lists(offered: Mapping[str, Offer], routes: RouteSettings) -> Iterator[Problem]:
    for name, kind in LISTS.items():
        for index, entry in enumerate(getattr(routes, name)):
            for _, text in _check(offered, *split_entry(entry), frozenset({kind})):
                yield ("routes", name, index), text


def _check_rules(
    built: Mapping[str, Platform | OpenAi], offered: Mapping[str, Offer], routes: RouteSettings
) -> Iterator[Problem]:
    names: set[str] = set()
    for index, rule in enumerate(routes.rules):
        path: KeyPath = ("routes", "rules", index)
        if rule.name in names:
            yield (*path, "name"), f"another rule is called {rule.name!r}; names are unique"
        names.add(rule.name)
        for key, text in asked_in_vain(rule.match):
            yield (*path, "match", key), text
        for place, target in enumerate(rule.to):
            for key, text in _check_target(offered, rule, target):
                yield (*path, "to", place, key), text
            if (platform := built.get(target.platform)) is not None and not isinstance(platform, OpenAi):
                for below, text in _check_said(platform, target):
                    yield (*path, "to", place, *below), text


def _check_target(
    offered: Mapping[str, Offer], rule: RuleSettings, target: TargetSettings
) -> Iterator[tuple[str, str]]:
    kinds = possible_kinds(rule.match)
    yield from _check(offered, target.platform, target.model, kinds)
    if kinds == {None} and not isinstance(offered.get(target.platform), JobOffer):
        for key in ("model", "defaults", "overrides", "pins"):
            if getattr(target, key):
                yield key, "is about requests for pictures; what this rule is for is relayed as it is"


def _check_said(platform: Platform, target: TargetSettings) -> Iterator[tuple[KeyPath, str]]:
    """What is said about fields, for the target's model or any."""
    model = platform.aliases.get(target.model, target.model) if target.model is not None else None
    if model is not None and model not in platform.models:
        return  # which is told already
    for key in ("defaults", "overrides", "pins"):
        for name, value in getattr(target, key).items():
            if (key, name, value) == ("pins", "n", "1"):
                continue  # one picture is what a request without a number means as well
            try:
                if (key, name) == ("defaults", "response_format"):
                    read_response_format(value)
                else:
                    platform.check_said(name, value, model)
            except InvalidField as error:
                yield (key, name), error.text


def _check(
    offered: Mapping[str, Offer], platform: str, model: str | None, kinds: frozenset[Kind | None]
) -> Iterator[tuple[str, str]]:
    """Whether a platform is there, has the model, and can do one of the kinds with it."""
    if (offer := offered.get(platform)) is None:
        yield "platform", f"no platform is called {platform!r}; configured are: {', '.join(offered) or 'none'}"
        return
    if not isinstance(offer, JobOffer):
        return
    menus = [menu for kind, menu in offer.menus.items() if kind in kinds]
    wanted = " or ".join(words for kind, words in MAKES.items() if kind in kinds)
    if kinds == {None}:
        yield "platform", f"{platform} makes pictures; what this rule is for is relayed"
    elif kinds and not menus:
        yield "platform", f"{platform} has no model that {wanted}"
    elif kinds and model is not None and not any(model in menu.names for menu in menus):
        known = ", ".join(dict.fromkeys(name for menu in menus for name in menu.names))
        why = f"does not do what this is for ({wanted})" if model in offer.names else "is no model"
        yield "model", f"{model!r} {why} of {platform}; known: {known}"


def _unreachable(rules: Rules) -> Iterator[Problem]:
    for index, earlier in rules.covered():
        text = f"can never match: {earlier.name!r} stands before it and takes all of its requests"
        yield ("routes", "rules", index), text
