"""Rules of the operator's: which one wins, what its targets become, and whether that needs the body."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import ModelNotAllowed, ModelNotFound
from gateway.domain.target import ConvertPolicy, JobTarget, MaskPolicy, OversizePolicy, RelayTarget, SizePolicy, Terms
from gateway.routing.choose import choose
from gateway.routing.facts import Facts, Kind
from gateway.routing.offer import JobOffer, Menu
from gateway.routing.rules import Rules
from tests.routing.house import EDITS, OFFERS, edit, generation, rules
from tests.routing.test_choose import brief

CHAT = Facts("relay", path="/v1/chat/completions")


def ruled(*written: dict[str, Any], **routes: Any) -> Rules:
    """Rules r0, r1 …; what none matches goes to `pinned`, which nothing else leads to."""
    return rules(
        {"edits": ["pinned"], "generations": ["pinned"]}
        | routes
        | {"rules": [{"name": f"r{i}"} | rule for i, rule in enumerate(written)]}
    )


OWN = JobOffer("own", {Kind.EDIT: Menu("kontext-pro", EDITS)}, Terms({"seed": "1", "tolerance": "1"}))
FALLEN = ["pinned/gpt-image-1-mini"]


@pytest.mark.parametrize(
    ("match", "taken", "left"),
    [
        ({"kind": "edit"}, [edit()], [generation()]),
        ({"kind": "generation"}, [generation("pro-1.1")], [edit()]),
        ({"path": "/v1/images/e*"}, [edit()], [generation()]),
        ({"model": "kontext-*"}, [edit("kontext-max")], [edit(), edit("seedream"), edit("x-kontext-1")]),
        ({"model": ["gpt-*", "dall-e-?"]}, [edit("gpt-1"), edit("dall-e-2")], [edit("dall-e-22"), edit("GPT-1")]),
        ({"model": "*"}, [edit("gpt-image-1")], [edit()]),
        ({"caller": "trial-*"}, [edit(caller=Caller("trial-7"))], [edit(caller=Caller("a-trial-7")), edit()]),
        ({"header": {"X-Team": "art*"}}, [edit(headers={"x-team": "arts"})], [edit(headers={"X-Team": "law"}), edit()]),
        ({"images": ">1"}, [edit(images=2)], [edit(images=1)]),
        ({"n": "<=2"}, [edit(n=2)], [edit(n=3)]),
        ({"pixels": ">4MP"}, [edit(pixels=4_000_001)], [edit(pixels=4_000_000)]),
        ({"mask": True}, [edit(mask=True)], [edit()]),
        ({"mask": False}, [edit()], [edit(mask=True)]),
        ({"kind": "edit", "images": 2, "mask": True}, [edit(images=2, mask=True)], [edit(images=2), edit(mask=True)]),
        ({}, [edit(), generation()], []),
    ],
)
def test_what_a_rule_asks(match: dict[str, Any], taken: list[Facts], left: list[Facts]) -> None:
    """All of it has to be so; otherwise the request goes on."""
    made = ruled({"match": match, "to": ["azure/gpt-image-2"]})
    assert [brief(choose(made, facts)) for facts in taken] == [["azure/gpt-image-2"]] * len(taken)
    assert [brief(choose(made, facts)) for facts in left] == [FALLEN] * len(left)


def test_the_first_rule_wins() -> None:
    """Also when a later one is more exact, and when its targets come to nothing."""
    made = ruled({"match": {"kind": "edit"}, "to": ["bfl"]}, {"match": {"model": "seedream"}, "to": ["other"]})
    assert brief(choose(made, edit("kontext-max"))) == ["bfl/kontext-max"]
    with pytest.raises(ModelNotFound, match=r"'seedream' does not exist here \(bfl has no such model\)"):
        choose(made, edit("seedream"))


def test_a_rule_is_for_what_its_targets_can_do() -> None:
    """Without `kind`, `to: [other]` is about edits: it takes neither generations nor chats from others."""
    made = ruled({"to": ["other"]})
    assert brief(choose(made, edit())) == ["other/kontext-max"]
    assert brief(choose(made, generation())) == FALLEN
    assert brief(choose(made, CHAT)) == ["openai"]


def test_other_paths() -> None:
    """A rule may send chats to another relay; nothing about their fields is changed."""
    made = ruled(
        {"match": {"path": "/v1/chat/*"}, "to": ["azure"]}, {"to": [{"platform": "pinned", "pins": {"n": "1"}}]}
    )
    assert choose(made, CHAT) == (RelayTarget("azure", None, Terms(rule="r0")),)
    assert choose(made, Facts("relay", path="/v1/files")) == (RelayTarget("pinned", None, Terms(rule="r1")),)
    assert choose(made, Facts("models", path="/v1/models")) == ()


class TestTargets:
    """What the entries of `to` become."""

    @pytest.mark.parametrize(
        ("model", "expected"),
        [
            (None, ["bfl/kontext-pro", "other/kontext-max"]),
            ("gpt-image-1", ["bfl/kontext-pro", "other/kontext-max"]),
            ("kontext-max", ["bfl/kontext-max", "other/kontext-max"]),
            ("seedream", ["other/seedream"]),
        ],
    )
    def test_without_a_model(self, model: str | None, expected: list[str]) -> None:
        """The client's, where the platform has it; the default for none and for OpenAI's names; else it is skipped."""
        assert brief(choose(ruled({"to": ["bfl", "other"]}), edit(model))) == expected

    def test_with_a_model(self) -> None:
        """The operator's word stands over the client's; aliases are looked up; relays are asked for it."""
        made = ruled({"to": ["bfl/flux1_kontext", "openai/gpt-image-2", "azure/pictures"]})
        for model in (None, "kontext-max", "gpt-image-1"):
            assert brief(choose(made, edit(model))) == ["bfl/kontext-pro", "openai/gpt-image-2", "azure/gpt-image-1"]

    def test_a_relay_without_a_model(self) -> None:
        """Its pin, else its fallback for a model of others, else what the client named."""
        made = ruled({"to": ["pinned", "azure", "openai"]})
        assert brief(choose(made, edit("kontext-pro"))) == ["pinned/gpt-image-1-mini", "azure/gpt-image-1"]
        assert brief(choose(made, edit("gpt-9"))) == ["pinned/gpt-image-1-mini", "azure", "openai"]
        assert brief(choose(ruled({"to": ["openai"]}), edit("kontext-pro"))) == ["openai"]

    def test_terms(self) -> None:
        """Defaults of the account below the target's; policies of the rule instead of the routes'."""
        offers = OFFERS | {"own": OWN}
        target = {"platform": "own", "defaults": {"seed": "2"}, "overrides": {"n": "1"}, "pins": {"size": "auto"}}
        written = {"name": "a", "to": [target, "openai"], "mask": "fill", "convert": "png", "size_policy": "exact"}
        made = rules({"rules": [written], "oversize": "downscale", "convert": "jpeg"}, offers)
        first, second = choose(made, edit())
        fields = ({"seed": "2", "tolerance": "1"}, {"n": "1"}, {"size": "auto"})
        policies: Any = {
            "mask": MaskPolicy.FILL,
            "oversize": OversizePolicy.DOWNSCALE,
            "convert": ConvertPolicy.PNG,
            "size_policy": SizePolicy.EXACT,
            "rule": "a",
        }
        assert first == JobTarget("own", "kontext-pro", Terms(*fields, **policies))
        assert second == RelayTarget("openai", None, Terms({}, {}, {}, **policies))

    def test_nothing_is_left(self) -> None:
        """404 says what became of each target, 403 when it is for the key's sake."""
        made = ruled({"to": ["bfl", "other"]})
        with pytest.raises(ModelNotFound) as caught:
            choose(made, edit("flux-9"))
        assert "(bfl has no such model; other has no such model)" in caught.value.text
        with pytest.raises(ModelNotAllowed):
            choose(made, edit("seedream", caller=Caller("a", models=("kontext-*",))))


class TestWeights:
    """The first target may be drawn."""

    RULES = ruled(
        {"to": ["openai", {"platform": "bfl", "weight": 1}, "pinned", {"platform": "other", "weight": 3}, "azure"]}
    )

    @pytest.mark.parametrize(("chance", "first"), [(0.0, "bfl"), (0.249, "bfl"), (0.25, "other"), (0.999, "other")])
    def test_the_drawn_one_takes_the_first_place(self, chance: float, first: str) -> None:
        """Of the weighted ones; all others keep their order."""
        found = [target.platform for target in choose(self.RULES, edit(), chance)]
        expected = ["openai", "bfl", "pinned", "other"] if first == "bfl" else ["openai", "other", "bfl", "pinned"]
        assert (found[:4], found[4:]) == (expected, ["azure"])

    def test_a_weight_counts_for_what_can_serve(self) -> None:
        """A skipped target has no share."""
        assert brief(choose(self.RULES, edit("seedream"), 0.0))[0] != "bfl/kontext-pro"


class TestNeedsBody:
    """What may be streamed without being held."""

    LIMITED = Caller("a", models=("gpt-*",))

    @pytest.mark.parametrize(
        ("to", "facts", "needed"),
        [
            (["openai"], Facts("images.edits"), False),
            (["openai"], Facts("images.edits", caller=Caller("a", allowance=Allowance(requests=3))), False),
            (["openai"], Facts("images.edits", caller=Caller("a", allowance=Allowance(images=3))), True),
            (["openai"], Facts("images.edits", caller=Caller("a", allowance=Allowance(megapixels=3))), True),
            (["openai"], Facts("images.edits", caller=LIMITED), True),
            (["openai/gpt-image-1"], Facts("images.edits"), True),
            ([{"platform": "openai", "pins": {"n": "1"}}], Facts("images.edits"), True),
            (["pinned"], Facts("images.edits"), True),
            (["azure"], Facts("images.edits"), True),
            (["bfl"], Facts("images.edits"), True),
            (["openai", "azure"], CHAT, True),
            (["azure"], CHAT, False),
            (["pinned"], CHAT, False),
            (["azure"], Facts("relay", caller=Caller("a", allowance=Allowance(images=3))), False),
        ],
    )
    def test_by_the_targets(self, to: list[Any], facts: Facts, needed: bool) -> None:
        """Not for one relay that nothing is changed for."""
        assert ruled({"to": to}).needs_body(facts) is needed

    def test_by_the_conditions(self) -> None:
        """When a rule within reach asks for what only the body tells."""
        made = ruled(
            {"match": {"path": "/v1/images/*", "model": "gpt-*"}, "to": ["openai"]},
            {"match": {"kind": "edit", "images": ">1"}, "to": ["openai"]},
            edits=["openai"],
        )
        assert made.needs_body(Facts("images.edits", path="/v1/images/edits"))
        assert not made.needs_body(CHAT)
        reads_team = ruled(
            {"match": {"header": {"X-Team": "a"}}, "to": ["openai"]},
            {"match": {"model": "gpt-*"}, "to": ["openai"]},
        )
        assert not reads_team.needs_body(Facts("images.edits", headers={"X-Team": "a"}))
        assert reads_team.needs_body(Facts("images.edits"))

    def test_lists(self) -> None:
        """A plain relay alone is streamed; so is every path that no rule mentions."""
        assert not rules({}).needs_body(Facts("images.edits"))
        assert not rules({}).needs_body(Facts("relay", path="/v1/files"))
        assert rules({"edits": ["openai", "bfl"]}).needs_body(Facts("images.edits"))
        assert not rules({"edits": ["bfl"]}).needs_body(Facts("models"))
        assert not Rules().needs_body(Facts("images.edits"))


def test_before_the_body_is_read() -> None:
    """Every rule that may match is within reach, up to the first that surely does."""
    made = ruled(
        {"match": {"model": "x"}, "to": ["azure"]},
        {"match": {"caller": "b"}, "to": ["bfl/kontext-max"]},
        {"match": {"images": ">1"}, "to": ["other/seedream"]},
    )
    azure = ["azure", "azure/gpt-image-1", "azure/gpt-image-2"]
    assert brief(choose(made, Facts("images.edits"))) == [*azure, "other/seedream", "pinned/gpt-image-1-mini"]
    assert brief(choose(made, Facts("images.edits", caller=Caller("b")))) == [*azure, "bfl/kontext-max"]
