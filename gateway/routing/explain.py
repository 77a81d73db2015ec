"""Why a request goes where it goes, in lines: told by the same code that chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.errors import GatewayError
from gateway.domain.target import JobTarget, RelayTarget, Target
from gateway.routing.choose import Decision, decide
from gateway.routing.facts import Facts
from gateway.routing.match import Verdict
from gateway.routing.rule import Rule
from gateway.routing.rules import Rules


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    `passed` are the rules before the one that won, each with what did not fit; `why_body` is empty when the body can be
    streamed. `decision` is what `choose` answers.
    """

    passed: tuple[tuple[Rule, tuple[str, ...]], ...]
    decision: Decision
    why_body: str

    def lines(self) -> Iterator[str]:
        """A short report."""
        for rule, reasons in self.passed:
            yield f"no   {rule.name}: {'; '.join(reasons)}"
        decision = self.decision
        if decision.rule is not None:
            yield f"yes  {decision.rule.name or 'the list of this path: no rule matches'}"
        for skipped in decision.skipped:
            yield f"     without {skipped.platform}: {skipped.why}"
        for position, target in enumerate(decision.targets, start=1):
            yield f"{position:>3}. {spell(target)}"
        if shares := _shares(decision):
            yield f"     the first is drawn: {shares}"
        if decision.fault is not None:
            yield f"     {decision.fault.status} {decision.fault.code}: {decision.fault.text}"
        elif not decision.targets:
            yield "     no platform serves this path"
        yield f"body is read: {self.why_body}" if self.why_body else "body is streamed without being held"


def explain(rules: Rules, facts: Facts, chance: float = 0.0) -> Explanation:
    """As `choose`, with the reasons; a fault is told instead of raised."""
    found = [rule for rule, _ in rules.applying(facts)]
    before = rules.rules[: rules.rules.index(found[-1])] if found and found[-1] in rules.rules else rules.rules
    passed = tuple((rule, rule.match.unmet(facts)) for rule in before if rule.match.verdict(facts) is Verdict.NO)
    try:
        decision = decide(rules, facts, chance)
    except GatewayError as fault:
        decision = Decision(fault=fault)
    return Explanation(passed if found else (), decision, rules.why_body(facts))


def spell(target: Target) -> str:
    """A target and its terms in one line."""
    terms = target.terms
    fields = (("defaults", terms.defaults), ("overrides", terms.overrides), ("pins", terms.pins))
    told = [f"{word} {_pairs(values)}" for word, values in fields if values]
    if isinstance(target, JobTarget):
        told += [f"mask {terms.mask}", f"oversize {terms.oversize}", f"convert {terms.convert}"]
        told.append(f"size_policy {terms.size_policy}")
    return "; ".join((_named(target), *told))


def _named(target: Target) -> str:
    match target:
        case JobTarget():
            return f"{target.platform}/{target.model}"
        case RelayTarget(model=None):
            return f"{target.platform} with the model as it came"
        case RelayTarget():
            return f"{target.platform} with model {target.model}"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _shares(decision: Decision) -> str:
    """How often each of the weighted targets comes first."""
    total = sum(weight for _, weight in decision.weights)
    if len(decision.weights) < 2:
        return ""
    return ", ".join(f"{_named(target)} {weight / total:.0%}" for target, weight in decision.weights)
