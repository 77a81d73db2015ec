"""What a relay gets otherwise than the client wrote it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.errors import InvalidField, UnsupportedField
from gateway.domain.target import NO_TERMS, RelayTarget, Terms
from gateway.platforms.openai.rewrite import rewrite


def to(model: str | None = None, **terms: Any) -> RelayTarget:
    return RelayTarget("openai", model, Terms(**terms))


@pytest.mark.parametrize(
    ("fields", "target", "changed"),
    [
        ({"prompt": "p", "size": "1024x1024"}, to("gpt-image-1"), {"model": "gpt-image-1"}),
        ({"model": "flux-kontext-pro"}, to("gpt-image-1"), {"model": "gpt-image-1"}),
        ({"model": "gpt-image-1", "n": "2"}, to("gpt-image-1"), {}),
        ({"model": "gpt-image-1", "size": "16:9"}, to(), {"size": "1536x1024"}),
        ({"model": "gpt-image-2", "size": "16:9"}, to("gpt-image-1"), {"model": "gpt-image-1", "size": "1536x1024"}),
        ({"model": "gpt-image-1", "size": "auto"}, to(), {}),
        (
            {"model": "flux-kontext-pro", "response_format": "b64_json"},
            to("gpt-image-2"),
            {"model": "gpt-image-2", "response_format": None},
        ),
        (
            {"response_format": "b64_json"},
            to("chatgpt-image-latest"),
            {"model": "chatgpt-image-latest", "response_format": None},
        ),
        ({"model": "dall-e-3", "response_format": "url"}, to("gpt-image-2"), {"model": "gpt-image-2"}),
        ({"model": "gpt-image-2", "response_format": "b64_json"}, to("gpt-image-2"), {}),
        ({"model": "gpt-image-2", "response_format": "b64_json"}, to(), {}),
        ({"model": "a", "response_format": "b64_json"}, to("pictures-of-ours"), {"model": "pictures-of-ours"}),
        ({"model": "gpt-image-1", "size": "large"}, to(), {}),
        ({"size": "700x700"}, to(), {}),
        ({"n": "2"}, to(defaults={"n": "1", "quality": "low"}), {"quality": "low"}),
        ({"n": "2"}, to(overrides={"n": "1", "quality": "low"}), {"n": "1", "quality": "low"}),
        ({}, to(pins={"n": "1"}), {"n": "1"}),
        ({"n": "1"}, to(pins={"n": "1"}), {}),
        ({"model": "gpt-image-1"}, to(defaults={"size": "1:1"}), {"size": "1024x1024"}),
    ],
)
def test_only_what_changes(fields: dict[str, str], target: RelayTarget, changed: dict[str, str | None]) -> None:
    """Everything else is sent as it came, byte for byte."""
    assert rewrite(fields, target) == changed


def test_a_pin_refuses_other_values() -> None:
    """Named to the client, also when an override would have replaced it."""
    with pytest.raises(InvalidField) as caught:
        rewrite({"n": "2"}, to(pins={"n": "1"}, overrides={"n": "1"}))
    assert (caught.value.param, caught.value.text) == ("n", "n is 1 here and nothing else.")


@pytest.mark.parametrize("name", ["seed", "steps", "Prompt", "images2"])
def test_a_field_that_a_gpt_image_model_does_not_have(name: str) -> None:
    """Refused where the gateway chose that model; whoever names it hears OpenAI's own words."""
    with pytest.raises(UnsupportedField) as caught:
        rewrite({"model": "flux-kontext-pro", name: "1"}, RelayTarget("openai", "gpt-image-2", NO_TERMS))
    assert caught.value.param == name and "gpt-image-2" in caught.value.text
    for model in ("gpt-image-2", "seedream-5"):
        rewrite({"model": model, name: "1"}, RelayTarget("openai", model, NO_TERMS))


def test_a_ratio_that_no_size_has() -> None:
    """A ratio cannot be passed on: no relay reads it. A size is left to the relay's own judgement."""
    with pytest.raises(InvalidField) as caught:
        rewrite({"model": "gpt-image-2", "size": "1:4"}, to())
    assert (caught.value.param, "from 1:3 to 3:1" in caught.value.text) == ("size", True)
    assert rewrite({"model": "gpt-image-2", "size": "100x4000"}, RelayTarget("openai", None, NO_TERMS)) == {}
