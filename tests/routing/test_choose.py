"""Choosing targets: the same function before the body is read and after it."""

from __future__ import annotations

import pytest

from gateway.domain.errors import ModelNotFound
from gateway.domain.target import JobTarget, RelayTarget, Target, Terms
from gateway.routing.choose import choose
from gateway.routing.rules import Facts, Offer, Rules

ROUTE = "images.edits"
NAMES = {
    "flux-kontext-pro": "flux-kontext-pro",
    "flux-kontext-max": "flux-kontext-max",
    "flux1_kontext": "flux-kontext-pro",
}
BFL = Offer("bfl", "flux-kontext-pro", NAMES, Terms({"safety_tolerance": "1"}))
OTHER = Offer("other", "flux-kontext-max", {"flux-kontext-max": "flux-kontext-max", "seedream": "seedream"})
OPENAI = Offer("openai")
PRO = JobTarget("bfl", "flux-kontext-pro", BFL.terms)
MAX = JobTarget("bfl", "flux-kontext-max", BFL.terms)


def rules(*offers: Offer, openai_names: bool = True) -> Rules:
    return Rules({ROUTE: offers}, openai_names)


def read(model: str | None) -> Facts:
    return Facts(ROUTE, model, read=True)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (None, (PRO,)),
        ("flux-kontext-pro", (PRO,)),
        ("flux-kontext-max", (MAX,)),
        ("flux1_kontext", (PRO,)),
        ("gpt-image-1", (PRO,)),
        ("gpt-image-2.6-sunburst", (PRO,)),
        ("chatgpt-image-latest", (PRO,)),
        ("dall-e-2", (PRO,)),
    ],
)
def test_one_platform(model: str | None, expected: tuple[Target, ...]) -> None:
    """Its default, its names and aliases, and the names that applications have built in."""
    assert choose(rules(BFL), read(model)) == expected


@pytest.mark.parametrize(
    "model", ["flux-2-pro", "GPT-IMAGE-1", "gpt-image", "dall-e", "flux-kontext-pro ", "*", "[", "x" * 999]
)
def test_an_unknown_model(model: str) -> None:
    """404 that names what is known, and quotes at most the beginning of what was asked."""
    with pytest.raises(ModelNotFound) as caught:
        choose(rules(BFL), read(model))
    assert (caught.value.param, caught.value.status) == ("model", 404)
    assert "flux-kontext-max, flux-kontext-pro, flux1_kontext" in caught.value.text
    assert len(caught.value.text) < 250


def test_openai_names_can_be_turned_off() -> None:
    """An operator may want to hear that a client asks for a model that is not there."""
    with pytest.raises(ModelNotFound):
        choose(rules(BFL, openai_names=False), read("gpt-image-1"))


def test_openai_names_need_a_single_platform() -> None:
    """With two platforms nobody can say which one is meant."""
    with pytest.raises(ModelNotFound):
        choose(rules(BFL, OTHER), read("gpt-image-1"))


def test_a_name_that_two_serve() -> None:
    """Both, in the order of the configuration."""
    assert choose(rules(OTHER, BFL), read("flux-kontext-max")) == (JobTarget("other", "flux-kontext-max"), MAX)


def test_a_relay_takes_what_nobody_else_knows() -> None:
    """Also OpenAI's own names, since OpenAI is there."""
    assert choose(rules(BFL, OPENAI), read("gpt-image-2")) == (RelayTarget("openai"),)
    assert choose(rules(BFL, OPENAI), read("flux-kontext-pro")) == (PRO,)
    assert choose(rules(OPENAI, BFL), read(None)) == (RelayTarget("openai"),)


def test_before_the_body_is_read() -> None:
    """Everything within reach, the default first; the model is not looked at."""
    assert choose(rules(BFL, OPENAI), Facts(ROUTE, "unheard-of")) == (PRO, RelayTarget("openai"))
    assert choose(rules(BFL), Facts("images.generations")) == ()
