"""Choosing targets from lists: the same function before the body is read and after it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.caller import Caller
from gateway.domain.errors import InvalidField, ModelNotAllowed, ModelNotFound
from gateway.domain.target import JobTarget, RelayTarget, Target
from gateway.routing.choose import choose
from gateway.routing.facts import Facts
from gateway.routing.rules import Rules
from tests.routing.house import OFFERS, edit, generation, rules


def brief(targets: tuple[Target, ...]) -> list[str]:
    """`platform/model`, `platform` for a relay that gets the request as it is."""
    return [f"{target.platform}/{target.model}" if target.model else target.platform for target in targets]


def edits(*entries: str, **more: Any) -> Rules:
    return rules({"edits": entries, **more})


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (None, "kontext-pro"),
        ("kontext-pro", "kontext-pro"),
        ("kontext-max", "kontext-max"),
        ("flux1_kontext", "kontext-pro"),
        ("gpt-image-1", "kontext-pro"),
        ("gpt-image-2.6-sunburst", "kontext-pro"),
        ("chatgpt-image-latest", "kontext-pro"),
        ("dall-e-2", "kontext-pro"),
    ],
)
def test_one_platform(model: str | None, expected: str) -> None:
    """Its default, its names and aliases, and the names that applications have built in."""
    assert brief(choose(edits("bfl"), edit(model))) == [f"bfl/{expected}"]


@pytest.mark.parametrize(
    "model", ["flux-2-pro", "pro-1.1", "GPT-IMAGE-1", "gpt-image", "dall-e", "kontext-pro ", "*", "[", "", "x" * 999]
)
def test_an_unknown_model(model: str) -> None:
    """404 that names what is known, and quotes at most the beginning of what was asked."""
    with pytest.raises(ModelNotFound) as caught:
        choose(edits("bfl"), edit(model))
    assert (caught.value.param, caught.value.status) == ("model", 404)
    assert "Known for this path: flux1_kontext, kontext-max, kontext-pro." in caught.value.text
    assert len(caught.value.text) < 250


def test_openai_names_can_be_turned_off() -> None:
    """An operator may want to hear that a client asks for a model that is not there."""
    with pytest.raises(ModelNotFound):
        choose(edits("bfl", openai_names=False), edit("gpt-image-1"))


def test_openai_names_need_a_single_platform() -> None:
    """With two platforms nobody can say which one is meant, unless a header does."""
    with pytest.raises(ModelNotFound):
        choose(edits("bfl", "other"), edit("gpt-image-1"))
    assert brief(choose(edits("bfl/kontext-max", "bfl"), edit("gpt-image-1"))) == ["bfl/kontext-max", "bfl/kontext-pro"]


def test_a_name_that_two_serve() -> None:
    """Both, in the order of the configuration."""
    assert brief(choose(edits("other", "bfl"), edit("kontext-max"))) == ["other/kontext-max", "bfl/kontext-max"]


def test_an_entry_may_name_the_default() -> None:
    """The client's word still counts; entries that come to the same target are one."""
    assert brief(choose(edits("bfl/kontext-max"), edit())) == ["bfl/kontext-max"]
    assert brief(choose(edits("bfl/kontext-max"), edit("kontext-pro"))) == ["bfl/kontext-pro"]
    assert brief(choose(edits("bfl/kontext-max", "bfl"), edit("kontext-pro"))) == ["bfl/kontext-pro"]


def test_a_relay_takes_what_nobody_else_knows() -> None:
    """Also OpenAI's own names, since OpenAI is there; never a model that only a job platform has."""
    assert brief(choose(edits("bfl", "openai"), edit("gpt-image-2"))) == ["openai"]
    assert brief(choose(edits("bfl", "openai"), edit("kontext-pro"))) == ["bfl/kontext-pro"]
    assert brief(choose(edits("openai", "bfl"), edit())) == ["openai", "bfl/kontext-pro"]


def test_a_fallback_is_what_a_flux_model_becomes() -> None:
    """On a relay that is told one, the others' models are served as well; names are looked up on the way."""
    assert brief(choose(edits("bfl", "azure"), edit("kontext-pro"))) == ["bfl/kontext-pro", "azure/gpt-image-1"]
    assert brief(choose(edits("azure"), edit("flux-2-pro"))) == ["azure/gpt-image-1"]
    assert brief(choose(edits("azure"), edit("pictures"))) == ["azure/gpt-image-1"]
    assert brief(choose(edits("azure"), edit("gpt-image-2"))) == ["azure/gpt-image-2"]


def test_a_pinned_relay_is_asked_for_nothing_else() -> None:
    """The operator's model, whatever the client named."""
    for model in ("kontext-pro", "gpt-image-2", None):
        assert brief(choose(edits("pinned"), edit(model))) == ["pinned/gpt-image-1-mini"]


def test_relays_beside_each_other() -> None:
    """The one that is known for the model first; what is known for one is not sent to the other."""
    assert brief(choose(edits("openai", "azure"), edit("gpt-image-2"))) == ["azure/gpt-image-2"]
    assert brief(choose(edits("openai", "azure"), edit("dall-e-3"))) == ["openai", "azure"]


def test_generations() -> None:
    """A platform without a model for them is not asked, and has a default of its own for them."""
    made = rules({"generations": ["bfl"]})
    assert brief(choose(made, generation())) == ["bfl/pro-1.1"]
    assert brief(choose(made, generation("kontext-max"))) == ["bfl/kontext-max"]
    with pytest.raises(ModelNotFound):
        choose(made, generation("flux1_kontext"))


def test_nothing_written() -> None:
    """The first relay takes everything; without one, the first platform that can do it."""
    assert brief(choose(rules({}), edit("anything"))) == ["openai"]
    jobs = {name: OFFERS[name] for name in ("other", "bfl")}
    assert brief(choose(rules({}, jobs), edit())) == ["other/kontext-max"]
    assert brief(choose(rules({}, jobs), generation())) == ["bfl/pro-1.1"]
    assert choose(rules({}, jobs), Facts("relay", path="/v1/chat/completions")) == ()
    assert choose(rules({}, {}), edit()) == choose(Rules(), edit()) == ()


def test_before_the_body_is_read() -> None:
    """Everything within reach, the default first; the model is not looked at."""
    assert brief(choose(edits("bfl", "openai"), Facts("images.edits", "unheard-of"))) == [
        "bfl/kontext-pro",
        "bfl/kontext-max",
        "openai",
    ]
    assert brief(choose(edits("azure"), Facts("images.edits"))) == ["azure", "azure/gpt-image-1", "azure/gpt-image-2"]


class TestPreference:
    """`X-ImageModel`."""

    @pytest.mark.parametrize(
        ("word", "expected"),
        [("flux", ["bfl/kontext-max", "azure/gpt-image-1"]), ("OpenAI ", ["azure/gpt-image-1", "bfl/kontext-max"])],
    )
    def test_a_family_comes_first(self, word: str, expected: list[str]) -> None:
        """The other one stays behind it, whatever the order of the list."""
        for order in (("bfl", "azure"), ("azure", "bfl")):
            found = choose(edits(*order), edit("kontext-max", headers={"x-imagemodel": word}))
            assert brief(found) == expected

    def test_it_says_what_an_openai_name_means(self) -> None:
        """Who wants flux and has gpt-image-1 built in gets the platform's default."""
        found = choose(edits("openai", "bfl"), edit("gpt-image-1", headers={"X-ImageModel": "flux"}))
        assert brief(found) == ["bfl/kontext-pro", "openai"]

    def test_without_a_model(self) -> None:
        """A relay that stands behind is used when it is asked for."""
        assert brief(choose(edits("bfl", "openai"), edit())) == ["bfl/kontext-pro"]
        found = choose(edits("bfl", "openai"), edit(headers={"X-ImageModel": "openai"}))
        assert brief(found) == ["openai", "bfl/kontext-pro"]

    @pytest.mark.parametrize("word", ["dalle", "", "flux,openai"])
    def test_other_words_are_refused(self, word: str) -> None:
        """Nobody would notice that a misspelt wish was not heard; also before the body is read."""
        for facts in (edit(headers={"X-ImageModel": word}), Facts("images.edits", headers={"X-ImageModel": word})):
            with pytest.raises(InvalidField) as caught:
                choose(edits("bfl"), facts)
            assert (caught.value.param, caught.value.text) == ("X-ImageModel", "X-ImageModel is openai or flux.")

    def test_it_means_nothing_elsewhere(self) -> None:
        """A chat is relayed with all of its headers."""
        found = choose(edits("bfl"), Facts("relay", path="/v1/chat", headers={"X-ImageModel": "any"}))
        assert brief(found) == ["openai"]


class TestAllowedModels:
    """A key may be limited to models."""

    PRO = Caller("a", models=("kontext-pro",))
    ALIAS = Caller("b", models=("flux1_*",))
    GPT = Caller("c", models=("gpt-image-1", "gpt-image-2"))

    def test_the_default_is_the_first_allowed(self) -> None:
        """Without a model any will do; one of a model's names allows the model."""
        assert brief(choose(edits("other", "bfl"), edit(caller=self.PRO))) == ["bfl/kontext-pro"]
        assert brief(choose(edits("bfl/kontext-max"), edit(caller=self.PRO))) == ["bfl/kontext-pro"]
        assert brief(choose(edits("bfl"), edit("kontext-pro", caller=self.ALIAS))) == ["bfl/kontext-pro"]

    @pytest.mark.parametrize(
        ("entries", "model", "caller"),
        [
            (("bfl",), "kontext-max", PRO),
            (("bfl", "other"), "kontext-max", PRO),
            (("other",), None, PRO),
            (("openai",), "gpt-image-3", GPT),
            (("openai",), None, GPT),
            (("pinned",), "gpt-image-1", GPT),
        ],
    )
    def test_another_model_is_forbidden(self, entries: tuple[str, ...], model: str | None, caller: Caller) -> None:
        """403 when it is there, but not for this key; also when nobody could say what the platform would take."""
        with pytest.raises(ModelNotAllowed) as caught:
            choose(edits(*entries), edit(model, caller=caller))
        assert (caught.value.param, caught.value.status) == ("model", 403)

    def test_what_is_not_there_is_not_found(self) -> None:
        """404, and only what the key allows is told."""
        with pytest.raises(ModelNotFound, match="Known for this path: flux1_kontext, kontext-pro") as caught:
            choose(edits("bfl"), edit("flux-9", caller=self.PRO))
        assert "kontext-max" not in caught.value.text

    def test_a_relay(self) -> None:
        """By the name that is sent, or the client's own when it is left as it is."""
        assert brief(choose(edits("openai"), edit("gpt-image-1", caller=self.GPT))) == ["openai"]
        assert brief(choose(edits("azure"), edit(caller=self.GPT))) == ["azure/gpt-image-1"]
        assert brief(choose(edits("bfl", "azure"), edit("kontext-max", caller=self.GPT))) == ["azure/gpt-image-1"]

    def test_before_the_body_is_read(self) -> None:
        """A key that allows nothing of this path is told before anything is read."""
        with pytest.raises(ModelNotAllowed):
            choose(edits("other"), Facts("images.edits", caller=self.PRO))
        assert brief(choose(edits("bfl"), Facts("images.edits", caller=self.PRO))) == ["bfl/kontext-pro"]


def test_the_kinds_of_targets() -> None:
    """What is translated and what is relayed."""
    assert isinstance(choose(edits("bfl"), edit())[0], JobTarget)
    assert isinstance(choose(edits("openai"), edit())[0], RelayTarget)
