"""Many rules: the same choice as by trying each in turn, with work that does not grow with their number."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.caller import Caller
from gateway.domain.target import NO_TERMS, ConvertPolicy, JobTarget, MaskPolicy, OversizePolicy, SizePolicy, Target
from gateway.routing.choose import choose, decide
from gateway.routing.facts import PATHS, Facts, Kind
from gateway.routing.job import JobOption
from gateway.routing.match import Condition, Match, Verdict
from gateway.routing.reach import KEPT, distinct
from gateway.routing.rules import Rule, Rules
from tests.routing.house import edit, rules

# Exact, with a beginning in common, with none, and with everything that a pattern may begin with.
GLOBS = ("a", "ab", "a*", "ab*", "ab?", "*", "*b", "?b", "[ab]b", "a[", "a[bc]*", "abc", "b", "é*")
WORDS = ("a", "ab", "abb", "abc", "b", "bb", "a[", "a[b", "", "é", "éa", "A")
ENTRIES = ("bfl", "bfl/kontext-max", "other/seedream", "openai", "openai/gpt-image-1", "azure", "pinned")
some = st.lists(st.sampled_from(GLOBS), min_size=1, max_size=3)
matches = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/v1/images/*", PATHS[Kind.EDIT], "/v1/*", "*", "/v1/chat*"]),
        "model": some,
        "caller": some,
        "header": st.dictionaries(
            st.sampled_from(["X-Team", "x-team", "X-Other"]), st.sampled_from(GLOBS), min_size=1, max_size=2
        ),
        "kind": st.sampled_from(["edit", "generation"]),
        "n": st.sampled_from([">1", "1"]),
        "mask": st.booleans(),
    },
)
weights = st.sampled_from([{}, {}, {}, {"weight": 1}, {"weight": 3}])
targets = st.builds(
    lambda entry, weight: dict(zip(("platform", "model"), entry.split("/"), strict=False)) | weight,
    st.sampled_from(ENTRIES),
    weights,
)
written = st.lists(
    st.fixed_dictionaries({"match": matches, "to": st.lists(targets, min_size=1, max_size=3)}), max_size=12
)


callers = st.builds(Caller, st.sampled_from(WORDS), models=st.sampled_from([(), (), ("kontext-*",), ("gpt-*", "s*")]))


@st.composite
def made(draw: st.DrawFn) -> Rules:
    named = [{"name": f"r{index}", **rule} for index, rule in enumerate(draw(written))]
    return rules({"rules": named, "edits": draw(st.lists(st.sampled_from(ENTRIES), max_size=3))})


@st.composite
def requests(draw: st.DrawFn) -> Facts:
    return Facts(
        *draw(
            st.sampled_from([("images.edits", None), ("images.generations", None), ("relay", None), ("models", None)])
        ),
        read=draw(st.booleans()),
        path=draw(st.sampled_from(["/v1/images/edits", "/v1/images/generations", "/v1/chat/completions"])),
        caller=Caller(
            draw(st.sampled_from(WORDS)), models=draw(st.sampled_from([(), ("kontext-*",), ("gpt-*", "s*")]))
        ),
        headers=draw(st.dictionaries(st.sampled_from(["x-team", "X-TEAM", "x-other"]), st.sampled_from(WORDS))),
        n=draw(st.integers(1, 2)),
        mask=draw(st.booleans()),
    )


def plainly(made: Rules, facts: Facts) -> Iterator[tuple[Rule, Verdict]]:
    """What applies, found by trying every rule in turn."""
    if facts.route not in made.lists:
        return
    for rule in made.rules:
        verdict = rule.match.verdict(facts)
        if verdict is not Verdict.NO:
            yield rule, verdict
        if verdict is Verdict.YES:
            return
    yield made.lists[facts.route], Verdict.YES


@settings(max_examples=200)
@given(made(), requests(), st.none() | st.sampled_from(WORDS))
def test_the_same_rules_apply(made: Rules, facts: Facts, model: str | None) -> None:
    """In the same order and with the same verdicts, before the body is read and after it; asked twice as well."""
    facts = replace(facts, model=model)
    expected = list(plainly(made, facts))
    assert list(made.applying(facts)) == list(made.applying(facts)) == expected


@settings(max_examples=150)
@given(made(), st.lists(requests(), min_size=1, max_size=4), st.floats(0, 1, exclude_max=True))
def test_the_same_targets_are_within_reach(made: Rules, asked: list[Facts], chance: float) -> None:
    """What each option of the rules that apply leaves, each once; nothing is taken over from another request's."""
    for facts in asked:
        facts = replace(facts, read=False)
        expected: list[Target] = []
        applying = [rule for rule, _ in plainly(made, facts)]
        options = [option for rule in applying for option in rule.options]
        for target in (target for option in options for target in option.reach(facts)):
            if target not in expected:
                expected.append(target)
        found = decide(made, facts, chance)
        if any(option.weight is not None for option in options):
            assert sorted(map(repr, found.targets)) == sorted(map(repr, expected))
        else:
            assert list(found.targets) == expected
        assert found.rule == (applying[0] if len(applying) == 1 else None)
        barred = [each for each in options if not each.reach(facts) and facts.kind in each.kinds]
        assert [each.platform for each in found.skipped] == [each.offer.platform for each in barred]
        assert (found.fault is not None) is (bool(barred) and not expected)


@settings(max_examples=200)
@given(made())
def test_the_same_rules_are_covered(made: Rules) -> None:
    """What comparing each with all before it would tell, and by which of them."""
    expected = []
    for position, rule in enumerate(made.rules):
        covering = [earlier for earlier in made.rules[:position] if earlier.match.covers(rule.match)]
        expected += [(position, earlier) for earlier in covering[:1]]
    assert list(made.covered()) == expected


def many(kind: str, count: int) -> Rules:
    """Rules that differ by one word, or by its beginning; `shared` have another word in common."""
    asked: dict[str, Any] = {
        "model": lambda i: {"model": f"acme-{i}"},
        "beginning": lambda i: {"model": f"acme-{i}-*"},
        "caller": lambda i: {"caller": f"acme-{i}"},
        "header": lambda i: {"header": {"X-Team": f"acme-{i}"}},
        "shared": lambda i: {"caller": "acme", "kind": "edit", "model": f"acme-{i}"},
    }
    kinds = ["model", "beginning", "caller", "header"] if kind == "mixed" else [kind]
    return rules(
        {
            "rules": [
                {"name": f"r{i}", "match": asked[kinds[i % len(kinds)]](i), "to": ["bfl/kontext-pro", "openai/x"]}
                for i in range(count)
            ],
            "edits": ["openai"],
        }
    )


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what is asked of matches, conditions and options from now on."""
    found = Counter[str]()

    def watch(owner: type, name: str) -> None:
        plain = getattr(owner, name)

        def noted(*values: Any) -> Any:
            found[name] += 1
            return plain(*values)

        monkeypatch.setattr(owner, name, noted)

    watch(Match, "verdict")
    watch(Match, "covers")
    watch(JobOption, "reach")
    return found


KINDS = ["model", "beginning", "caller", "header", "shared", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_work_does_not_grow_with_rules(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hundreds a request tries a few, and before its body is read nothing is worked out a second time."""
    made, work = many(kind, 600), counted(monkeypatch)
    for number in (0, 299, 300, 301, 302, 303, 304, 599):
        word = f"acme-{number}"
        caller = Caller("acme" if kind == "shared" else word)
        facts = edit(f"{word}-x" if kind == "beginning" else word, caller=caller, headers={"X-Team": word})
        choose(made, replace(facts, read=False))
        work.clear()
        found = choose(made, facts)
        assert kind == "mixed" or found[0].terms.rule == f"r{number}"
        choose(made, replace(facts, read=False))
        made.needs_body(facts)
        assert work["verdict"] <= 30 and work["reach"] == 0, work


@pytest.mark.parametrize("kind", KINDS)
def test_loading_grows_with_rules_and_no_faster(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule is compared with those before it that could cover it, not with all."""
    made, work = many(kind, 600), counted(monkeypatch)
    assert list(made.covered()) == []
    assert work["covers"] <= 600


def test_nothing_grows_with_callers() -> None:
    """However many callers, words and key's models there are: what is remembered has an end."""
    made, lists = many("mixed", 60), [(f"kontext-{number}", "gpt-*") for number in range(2 * KEPT)]

    def ask(numbers: range) -> None:
        for number in numbers:
            caller = Caller(f"c{number}", models=lists[number % len(lists)])
            facts = edit(f"m{number}", caller=caller, headers={f"x-{number}": "y", "X-Team": f"t{number}"})
            decide(made, replace(facts, read=False))
            decide(made, facts)

    ask(range(2 * KEPT))
    tracemalloc.start()
    try:
        ask(range(2 * KEPT, 4 * KEPT))
        before, _ = tracemalloc.get_traced_memory()
        ask(range(4 * KEPT, 12 * KEPT))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.reach._remembered.cache_info().currsize == KEPT
    assert after < 1.2 * before


def test_conditions_are_hashable() -> None:
    """Rules that ask the same are found to do so."""
    conditions: set[Condition] = set()
    for rule in many("mixed", 20).rules:
        conditions.update(rule.match.conditions)
    assert len(conditions) < 30


OTHER_TERMS: dict[str, Any] = {
    "defaults": {"a": "1"},
    "overrides": {"a": "1"},
    "pins": {"a": "1"},
    "mask": MaskPolicy.FILL,
    "oversize": OversizePolicy.DOWNSCALE,
    "convert": ConvertPolicy.PNG,
    "size_policy": SizePolicy.EXACT,
    "rule": "r",
}


@pytest.mark.parametrize("name", [field.name for field in fields(NO_TERMS)])
def test_targets_that_differ_in_anything_are_two(name: str) -> None:
    """Whatever a route can say; and equal ones are one."""
    target = JobTarget("bfl", "kontext-pro")
    other = replace(target, terms=replace(NO_TERMS, **{name: OTHER_TERMS[name]}))
    assert distinct([target, other, replace(target), replace(other)]) == (target, other)
