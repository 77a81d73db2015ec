"""One function for the chain, which knows path and headers, and for the handler, which has read the body as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.domain.errors import GatewayError, ModelNotAllowed, ModelNotFound
from gateway.domain.target import JobTarget, Target
from gateway.routing.facts import Facts, Family
from gateway.routing.option import Skipped
from gateway.routing.reach import Reached, Served, distinct
from gateway.routing.rule import Rule
from gateway.routing.rules import Rules


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What was chosen and how. `rule` is the one that matched, None while several may or on a path without targets;
    `skipped` are its options that are passed over, `fault` why nothing is left; `weights` belong to the targets among
    which the first was drawn.
    """

    targets: tuple[Target, ...] = ()
    rule: Rule | None = None
    skipped: tuple[Skipped, ...] = ()
    fault: GatewayError | None = None
    weights: tuple[tuple[Target, float], ...] = ()


def choose(rules: Rules, facts: Facts, chance: float = 0.0) -> tuple[Target, ...]:
    """
    The targets that may serve the request, best first; before the body is read, all that path, caller and headers
    leave within reach. None for a path of the gateway's own, or that no platform serves.

    Args:
        chance: 0 ≤ x < 1, draws the first among weighted targets.

    Raises: ModelNotFound when nobody serves the model, ModelNotAllowed when the caller's key rules out everything that
    could, InvalidField for an `X-ImageModel` that means nothing.
    """
    decision = decide(rules, facts, chance)
    if decision.fault is not None:
        raise decision.fault
    return decision.targets


def decide(rules: Rules, facts: Facts, chance: float = 0.0) -> Decision:
    """As `choose`, with the reasons. Raises: InvalidField."""
    family = facts.preference
    if not facts.read and facts.route in rules.lists:
        return _before_body(rules.reach.reached(facts), facts, family, chance)
    applying = [rule for rule, _ in rules.applying(facts)]
    served: list[Served] = []
    skipped: list[Skipped] = []
    for rule in applying:
        options, passed = _read(rule, facts, family)
        served += _drawn(options, chance)
        skipped += passed
    only = applying[0] if len(applying) == 1 else None
    if not served:
        return Decision((), only, tuple(skipped), _fault(applying, facts, skipped))
    targets = _preferred(distinct(_each(served)), family)
    return Decision(targets, only, tuple(skipped), weights=_weights(served))


def _before_body(reached: Reached, facts: Facts, family: Family | None, chance: float) -> Decision:
    fault = None if reached.targets else _fault((), facts, reached.skipped)
    if not reached.drawn_from:
        return Decision(_preferred(reached.targets, family), reached.rule, reached.skipped, fault)
    served = [each for options in reached.drawn_from for each in _drawn(options, chance)]
    targets = _preferred(distinct(_each(served)), family)
    return Decision(targets, reached.rule, reached.skipped, fault, _weights(served))


def _each(served: Iterable[Served]) -> Iterator[Target]:
    return (target for _, found in served for target in found)


def _preferred(targets: tuple[Target, ...], family: Family | None) -> tuple[Target, ...]:
    """Stable: the order of the rule holds on both sides."""
    return targets if family is None else tuple(sorted(targets, key=lambda target: _family(target) is not family))


def _weights(served: Iterable[Served]) -> tuple[tuple[Target, float], ...]:
    return tuple((found[0], option.weight) for option, found in served if option.weight is not None)


def _read(rule: Rule, facts: Facts, family: Family | None) -> tuple[list[Served], list[Skipped]]:
    served: list[Served] = []
    skipped: list[Skipped] = []
    for option in rule.options:
        found = option.serve(facts, family)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            served.append((option, (found,)))
    if not rule.name:
        # In a list the model's name decides before the order does.
        served.sort(key=lambda each: not each[0].knows(facts.model))
    return served, skipped


def _drawn(served: Sequence[Served], chance: float) -> Sequence[Served]:
    """One of the weighted takes the place of the first of them; the others keep their order behind it."""
    weighted = [(index, option.weight) for index, (option, _) in enumerate(served) if option.weight is not None]
    if len(weighted) < 2:
        return served
    left = chance * sum(weight for _, weight in weighted)
    for drawn, weight in weighted:  # noqa: B007 - the last one is meant when rounding leaves a rest
        if (left := left - weight) < 0:
            break
    first = weighted[0][0]
    rest = [each for index, each in enumerate(served) if index != drawn]
    return [*rest[:first], served[drawn], *rest[first:]]


def _family(target: Target) -> Family:
    return Family.FLUX if isinstance(target, JobTarget) else Family.OPENAI


def _fault(applying: Iterable[Rule], facts: Facts, skipped: Sequence[Skipped]) -> GatewayError | None:
    options = [option for rule in applying for option in rule.options]
    told = f"The model '{facts.model[:64]}'" if facts.model else "A request without a model"
    if any(each.forbidden for each in skipped):
        return ModelNotAllowed(f"{told} is not served with this key.", param="model")
    if not facts.read or not options:
        return None
    known = sorted({name for option in options for name in option.usable(facts)})
    listed = not any(rule.name for rule in applying)
    reasons = "" if listed else " (" + "; ".join(f"{each.platform} {each.why}" for each in skipped) + ")"
    return ModelNotFound(
        f"{told} does not exist here{reasons}. Known for this path: {', '.join(known) or 'none'}.", param="model"
    )
