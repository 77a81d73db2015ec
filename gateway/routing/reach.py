"""What is within reach before the body is read: the same for many requests, so it is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge

from gateway.domain.caller import Caller
from gateway.domain.target import Target
from gateway.routing.facts import Facts
from gateway.routing.index import Index
from gateway.routing.match import Match, Verdict
from gateway.routing.option import Skipped
from gateway.routing.rule import Option, Rule

KEPT = 64
"""Answers remembered; each has at most as many targets as are configured."""

Served = tuple[Option, tuple[Target, ...]]


@dataclass(frozen=True, slots=True)
class Reached:
    """
    `rule` is the only one that applies, None while several may; `skipped` are options of which the caller may use
    nothing. `targets` come in order, none of them twice. `drawn_from` are the options of each rule with what they leave
    within reach, when some have a weight; else there is nothing to draw.
    """

    rule: Rule | None
    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...]
    drawn_from: tuple[tuple[Served, ...], ...]


class Reach:
    """
    Rules by what they ask of path, caller and headers: those that ask the same, such as all that ask for a model only,
    are tried as one.
    """

    def __init__(self, lists: Mapping[str, Rule], rules: Sequence[Rule]) -> None:
        self._lists, self._rules = lists, rules
        alike: dict[Match, list[int]] = {}
        for position, rule in enumerate(rules):
            alike.setdefault(rule.match.front, []).append(position)
        self._fronts, self._positions = list(alike), list(alike.values())
        self._index = Index(self._fronts)
        self._remembered = lru_cache(KEPT)(self._reached)

    def applying(self, facts: Facts) -> Iterator[tuple[Rule, Verdict]]:
        """Those that match or may match, in order, up to the first that surely does."""
        return self._applying(facts.route, self._holding(facts))

    def reached(self, facts: Facts) -> Reached:
        """For a route with a list."""
        return self._remembered(facts.route, self._holding(facts), facts.caller.models)

    def _holding(self, facts: Facts) -> tuple[int, ...]:
        """The fronts that match."""
        candidates = self._index.candidates(facts.words())
        return tuple(each for each in candidates if self._fronts[each].verdict(facts) is Verdict.YES)

    def _applying(self, route: str, holding: Iterable[int]) -> Iterator[tuple[Rule, Verdict]]:
        for position in merge(*(self._positions[front] for front in holding)):
            rule = self._rules[position]
            if not rule.match.from_body():
                yield rule, Verdict.YES
                return
            yield rule, Verdict.OPEN
        yield self._lists[route], Verdict.YES

    def _reached(self, route: str, holding: tuple[int, ...], models: tuple[str, ...]) -> Reached:
        """Of a caller nothing counts but the models it may use."""
        facts = Facts(route, caller=Caller("", models=models))
        applying = [rule for rule, _ in self._applying(route, holding)]
        every = [tuple((option, option.reach(facts)) for option in rule.options) for rule in applying]
        served = tuple(tuple(each for each in options if each[1]) for options in every)
        return Reached(
            applying[0] if len(applying) == 1 else None,
            distinct(target for options in served for _, found in options for target in found),
            tuple(
                Skipped(option.offer.platform, "none of its models is allowed", forbidden=True)
                for options in every
                for option, found in options
                if not found and facts.kind in option.kinds
            ),
            served if any(option.weight is not None for options in served for option, _ in options) else (),
        )


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """In the same order; two entries may come to the same target, and trying it twice helps nobody."""
    kept: dict[tuple[object, ...], Target] = {}
    for target in targets:
        kept.setdefault(_identity(target), target)
    return tuple(kept.values())


def _identity(target: Target) -> tuple[object, ...]:
    """Equal for equal targets, and hashable."""
    terms = target.terms
    said = (tuple(sorted(values.items())) for values in (terms.defaults, terms.overrides, terms.pins))
    policies = (terms.mask, terms.oversize, terms.convert, terms.size_policy)
    return target.platform, target.model, terms.rule, *policies, *said
