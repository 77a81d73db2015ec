"""What holds for all rules and all requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.caller import Caller
from gateway.domain.errors import GatewayError
from gateway.domain.target import JobTarget, Target
from gateway.routing.choose import choose
from gateway.routing.explain import explain
from gateway.routing.facts import PATHS, Facts, Kind
from gateway.routing.match import Verdict
from gateway.routing.rules import Rules
from tests.routing.house import OFFERS, edit, rules

MODELS = ("kontext-pro", "kontext-max", "flux1_kontext", "pro-1.1", "seedream", "gpt-image-1", "gpt-image-2", "flux-9")
ENTRIES = ("bfl", "bfl/kontext-max", "other", "other/seedream", "openai", "openai/gpt-image-1", "azure", "pinned")
GLOBS = ("*", "kontext-*", "gpt-image-?", "flux*", "seedream", "pictures")

targets = st.builds(
    lambda entry, weight: dict(zip(("platform", "model"), entry.split("/"), strict=False)) | weight,
    st.sampled_from(ENTRIES),
    st.sampled_from([{}, {}, {"weight": 1}, {"weight": 3}]),
)
matches = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/v1/images/*", "/v1/images/edits", "/v1/chat/*", "*"]),
        "model": st.lists(st.sampled_from(GLOBS), min_size=1, max_size=2),
        "caller": st.sampled_from(["a", "b*", "*"]),
        "header": st.sampled_from([{"X-Team": "art"}, {"X-Team": "*"}]),
        "kind": st.sampled_from(["edit", "generation"]),
        "images": st.sampled_from([">1", "<=1", "0"]),
        "n": st.sampled_from([">1", "1"]),
        "pixels": st.sampled_from([">1MP", "<=1MP"]),
        "mask": st.booleans(),
    },
)
written = st.lists(
    st.fixed_dictionaries({"match": matches, "to": st.lists(targets, min_size=1, max_size=4)}), max_size=4
)
lists = st.lists(st.sampled_from(ENTRIES), max_size=3)
callers = st.builds(
    Caller, st.sampled_from(["a", "b1", "c"]), models=st.lists(st.sampled_from(GLOBS), max_size=2).map(tuple)
)
PLACES = (
    ("images.edits", PATHS[Kind.EDIT]),
    ("images.generations", PATHS[Kind.GENERATION]),
    ("relay", "/v1/chat/completions"),
    ("models", "/v1/models"),
)
headers = st.fixed_dictionaries(
    {}, optional={"x-team": st.sampled_from(["art", "law"]), "X-ImageModel": st.sampled_from(["openai", "flux", "?"])}
)


@st.composite
def made(draw: st.DrawFn) -> Rules:
    found: list[Any] = draw(written)
    named = [{"name": f"r{index}", **rule} for index, rule in enumerate(found)]
    return rules({"rules": named, "edits": draw(lists), "generations": [e for e in draw(lists) if "other" not in e]})


@st.composite
def requests(draw: st.DrawFn) -> Facts:
    route, path = draw(st.sampled_from(PLACES))
    return Facts(
        route,
        draw(st.none() | st.sampled_from(MODELS)),
        read=True,
        path=path,
        caller=draw(callers),
        headers=draw(headers),
        n=draw(st.integers(1, 3)),
        images=draw(st.integers(0, 3)),
        mask=draw(st.booleans()),
        pixels=draw(st.sampled_from([0, 999_999, 2_000_000])),
    )


chances = st.floats(0, 1, exclude_max=True)


def chosen(made: Rules, facts: Facts, chance: float = 0.0) -> tuple[Target, ...] | str:
    try:
        return choose(made, facts, chance)
    except GatewayError as fault:
        return fault.text


@settings(max_examples=400)
@given(made(), requests(), chances)
def test_what_is_chosen_was_within_reach(made: Rules, facts: Facts, chance: float) -> None:
    """The handler never gets a target that the chain did not announce, and the chain refuses nothing too early."""
    after, before = chosen(made, facts, chance), chosen(made, replace(facts, read=False), chance)
    if isinstance(before, str):
        assert isinstance(after, str)
    elif not isinstance(after, str):
        assert all(target in before for target in after)


@settings(max_examples=400)
@given(made(), requests(), chances)
def test_a_key_gets_only_what_it_allows(made: Rules, facts: Facts, chance: float) -> None:
    """By one of the names of the model that is sent; a relay that changes nothing gets the client's word."""
    found = chosen(made, facts, chance)
    for target in found if not isinstance(found, str) and facts.kind is not None else ():
        model = target.model or facts.model
        names = [name for name, meant in OFFERS[target.platform].names.items() if meant == model]
        names += [model] if model is not None else []
        assert not facts.caller.models or any(map(facts.caller.may_use, names))


@given(made(), requests(), chances)
def test_a_target_can_do_what_is_asked(made: Rules, facts: Facts, chance: float) -> None:
    """Jobs only for pictures, and by a model of that kind; nothing comes twice."""
    found = chosen(made, facts, chance)
    if isinstance(found, str):
        return
    assert all(target not in found[:index] for index, target in enumerate(found))
    for target in found:
        if isinstance(target, JobTarget):
            offer = OFFERS[target.platform]
            assert facts.kind is not None and target.model in offer.menus[facts.kind].names  # type: ignore[union-attr] # a job target's offer has menus


@given(made(), requests(), chances)
def test_the_first_rule_that_matches_wins(made: Rules, facts: Facts, chance: float) -> None:
    """Every target carries the name of that rule; without one, of none."""
    winner = next((rule.name for rule in made.rules if rule.match.verdict(facts) is Verdict.YES), "")
    found = chosen(made, facts, chance)
    assert isinstance(found, str) or {target.terms.rule for target in found} <= {winner}


@given(made(), requests(), chances)
def test_weights_only_draw_the_first(made: Rules, facts: Facts, chance: float) -> None:
    """Whatever is drawn, the same targets come, and those without a weight in the same order."""
    one, other = chosen(made, facts, 0.0), chosen(made, facts, chance)
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
    else:
        assert sorted(map(repr, one)) == sorted(map(repr, other))


@given(st.lists(st.none() | st.integers(1, 9), min_size=1, max_size=6))
def test_shares_in_the_long_run(weights: list[int | None]) -> None:
    """Among evenly spread chances each weighted target leads as often as its weight says; all others stay in order."""
    names = [f"m{index}" for index in range(len(weights))]
    to = [
        {"platform": "openai", "model": name} | ({"weight": weight} if weight else {})
        for name, weight in zip(names, weights, strict=True)
    ]
    made, total = rules({"rules": [{"name": "a", "to": to}]}), sum(weight or 0 for weight in weights)
    first, seen = next((index for index, weight in enumerate(weights) if weight), 0), Counter[str | None]()
    for step in range(total):
        found = [target.model for target in choose(made, edit(), (step + 0.5) / total)]
        seen[found[first]] += 1
        drawn = found.pop(first)
        assert found == [name for name in names if name != drawn]
    assert seen == {name: weight for name, weight in zip(names, weights, strict=True) if weight}


@given(made(), requests(), chances, st.booleans())
def test_explaining_is_choosing(made: Rules, facts: Facts, chance: float, read: bool) -> None:
    """The same targets or the same fault, a reason for each rule before, and the same word on the body."""
    facts = replace(facts, read=read)
    told, found = explain(made, facts, chance), chosen(made, facts, chance)
    if isinstance(found, str):
        assert told.decision.fault is not None and told.decision.fault.text == found
    else:
        assert (told.decision.targets, told.decision.fault) == (found, None)
    assert bool(told.why_body) is made.needs_body(facts)
    for rule, reasons in told.passed:
        assert reasons and rule.match.verdict(facts) is Verdict.NO
    assert list(told.lines())


@given(made(), requests())
def test_what_is_streamed_is_known_without_the_body(made: Rules, facts: Facts) -> None:
    """When no body is needed, there is one relay at most, and reading would have led to it."""
    facts = replace(facts, headers={name: value for name, value in facts.headers.items() if name == "x-team"})
    if made.needs_body(facts):
        return
    before = choose(made, replace(facts, read=False))
    assert not any(isinstance(target, JobTarget) for target in before)
    assert len({target.platform for target in before}) <= 1
    assert {target.platform for target in choose(made, facts)} == {target.platform for target in before}


@given(made(), st.lists(requests(), min_size=5, max_size=5))
def test_a_covered_rule_never_wins(made: Rules, asked: list[Facts]) -> None:
    """What is told at load to be unreachable is."""
    for index, later in enumerate(made.rules):
        if any(earlier.match.covers(later.match) for earlier in made.rules[:index]):
            for facts in asked:
                if later.match.verdict(facts) is Verdict.YES:
                    assert any(rule.match.verdict(facts) is Verdict.YES for rule in made.rules[:index])
