"""What a route says about fields: defaults give way to the client, overrides do not, pins refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai.form import Form, read_edit
from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField, UnknownField
from gateway.domain.notes import header
from gateway.domain.size import Pixels
from gateway.domain.target import Terms
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.request import Translation, translate
from gateway.platforms.bfl.terms import check
from tests.fakes.blob import MemoryBlob

PICTURE = MemoryBlob(pixels=Pixels(640, 480))


def edit(**fields: str) -> Edit:
    return read_edit(Form(tuple(({"prompt": "a fox"} | fields).items()), (("image", PICTURE),)))


def done(terms: Terms, model: str = "flux-kontext-pro", **fields: str) -> Translation:
    return translate(edit(**fields), MODELS[model], terms, offered=MODELS)


def own(translation: Translation) -> dict[str, Any]:
    """Without what every body has."""
    return {k: v for k, v in translation.body.items() if k not in ("prompt", "input_image", "images", "output_format")}


def refusal(terms: Terms, model: str = "flux-kontext-pro", **fields: str) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        done(terms, model, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("defaults", "model", "fields", "sent"),
    [
        ({"size": "1:1"}, "flux-kontext-pro", {}, {"aspect_ratio": "1:1"}),
        ({"size": "1:1"}, "flux-kontext-pro", {"aspect_ratio": "3:2"}, {"aspect_ratio": "3:2"}),
        ({"size": "1:1"}, "flux-kontext-pro", {"size": "auto"}, {}),
        ({"size": "512x512"}, "flux-2-pro", {}, {"width": 512, "height": 512}),
        ({"aspect_ratio": "1:1"}, "flux-2-pro", {"size": "512x256"}, {"width": 512, "height": 256}),
        ({"moderation": "low"}, "flux-2-pro", {}, {"safety_tolerance": 5}),
        ({"moderation": "low"}, "flux-2-pro", {"safety_tolerance": "0"}, {"safety_tolerance": 0}),
        ({"prompt_upsampling": "false"}, "flux-2-pro", {}, {"disable_pup": True}),
        ({"prompt_upsampling": "false"}, "flux-2-pro", {"disable_pup": "false"}, {"disable_pup": False}),
        ({"disable_pup": "true"}, "flux-2-pro", {"prompt_upsampling": "true"}, {"disable_pup": False}),
        ({"guidance": "3", "seed": "1"}, "flux-kontext-pro", {}, {"seed": 1}),
        ({"guidance": "3", "seed": "1"}, "flux-3-image", {}, {}),
        ({"guidance": "3"}, "flux-2-flex", {}, {"guidance": 3.0}),
        ({"resolution": "2k"}, "flux-3-image", {}, {"resolution": "2k"}),
        (
            {"resolution": "2k"},
            "flux-3-image",
            {"size": "1024x1024"},
            {"aspect_ratio": "1:1", "resolution": "1k"},
        ),
    ],
)
def test_defaults(defaults: dict[str, str], model: str, fields: dict[str, str], sent: dict[str, Any]) -> None:
    """Used where the client said nothing, in any words; by models that take them, in silence by others."""
    made = done(Terms(defaults=defaults), model, **fields)
    assert own(made) == sent


@pytest.mark.parametrize(
    ("overrides", "model", "fields", "sent", "said"),
    [
        ({"seed": "7"}, "flux-kontext-pro", {}, {"seed": 7}, "seed=converted(7)"),
        ({"seed": "7"}, "flux-kontext-pro", {"seed": "9"}, {"seed": 7}, "seed=converted(7)"),
        ({"seed": "7"}, "flux-3-image", {}, {}, ""),
        ({"size": "1:1"}, "flux-kontext-pro", {"size": "3:2"}, {"aspect_ratio": "1:1"}, "size=converted(1:1)"),
        (
            {"size": "1:1"},
            "flux-kontext-pro",
            {"aspect_ratio": "3:2"},
            {"aspect_ratio": "1:1"},
            "size=converted(1:1), aspect_ratio=ignored",
        ),
        (
            {"aspect_ratio": "1:1"},
            "flux-kontext-pro",
            {"size": "3:2"},
            {"aspect_ratio": "1:1"},
            "size=converted(1:1), aspect_ratio=converted(1:1)",
        ),
        (
            {"moderation": "auto"},
            "flux-2-pro",
            {"safety_tolerance": "5"},
            {},
            "moderation=converted(auto), safety_tolerance=ignored",
        ),
        (
            {"moderation": "auto"},
            "flux-2-pro",
            {"moderation": "low"},
            {},
            "moderation=converted(auto)",
        ),
        (
            {"safety_tolerance": "1"},
            "flux-2-pro",
            {"moderation": "low"},
            {"safety_tolerance": 1},
            "moderation=ignored, safety_tolerance=converted(1)",
        ),
        (
            {"prompt_upsampling": "false"},
            "flux-2-pro",
            {"disable_pup": "false"},
            {"disable_pup": True},
            "prompt_upsampling=converted(false), disable_pup=ignored",
        ),
        (
            {"resolution": "1k"},
            "flux-3-image",
            {"size": "4096x2048"},
            {"aspect_ratio": "2:1", "resolution": "1k"},
            "size=converted(2:1), resolution=converted(1k)",
        ),
        ({"quality": "low"}, "flux-2-pro", {"quality": "high"}, {}, "quality=ignored"),
        ({"background": "opaque"}, "flux-2-pro", {"background": "transparent"}, {}, "background=ignored"),
        ({"output_format": "jpeg", "n": "3", "prompt": "x", "zzz": "1"}, "flux-2-pro", {}, {}, ""),
    ],
)
def test_overrides(
    overrides: dict[str, str], model: str, fields: dict[str, str], sent: dict[str, Any], said: str
) -> None:
    """Used whatever the client said, in any words, and told; what belongs to the client alone stays with it."""
    made = done(Terms(overrides=overrides), model, **fields)
    assert own(made) == sent
    assert header(made.notes) == said
    assert made.body.get("output_format", "png") == "png"


@pytest.mark.parametrize(
    ("pins", "fields", "sent"),
    [
        ({"seed": "7"}, {}, {"seed": 7}),
        ({"seed": "7"}, {"seed": "7"}, {"seed": 7}),
        ({"safety_tolerance": "0"}, {"moderation": "low"}, {"safety_tolerance": 0}),
        ({"moderation": "auto"}, {}, {}),
        ({"moderation": "auto"}, {"moderation": "auto"}, {}),
        ({"size": "512x512"}, {}, {"width": 512, "height": 512}),
        ({"size": "512x512"}, {"size": "512x512"}, {"width": 512, "height": 512}),
        ({"size": "512x512"}, {"aspect_ratio": "1:1"}, {"width": 512, "height": 512}),
        ({"quality": "high"}, {}, {}),
        ({"guidance": "2"}, {}, {}),
    ],
)
def test_pins_hold(pins: dict[str, str], fields: dict[str, str], sent: dict[str, Any]) -> None:
    """The pinned value is used, said by the client or not."""
    assert own(done(Terms(pins=pins), "flux-2-pro", **fields)) == sent


@pytest.mark.parametrize(
    ("pins", "fields", "param", "words"),
    [
        ({"seed": "7"}, {"seed": "8"}, "seed", "only be 7"),
        ({"size": "1:1"}, {"size": "512x512"}, "size", "only be 1:1"),
        ({"size": "512x512"}, {"aspect_ratio": "3:2"}, "aspect_ratio", "3:2"),
        ({"aspect_ratio": "1:1"}, {"size": "512x256"}, "size", "1:1"),
        ({"quality": "low"}, {"quality": "high"}, "quality", "only be low"),
        ({"moderation": "auto"}, {"moderation": "low"}, "moderation", "only be auto"),
        ({"moderation": "auto"}, {"safety_tolerance": "5"}, "safety_tolerance", "only be auto"),
        ({"guidance": "2"}, {"guidance": "3"}, "guidance", "only be 2"),
        ({"disable_pup": "true"}, {"prompt_upsampling": "true"}, "prompt_upsampling", "disable_pup"),
        ({"n": "1"}, {"n": "2"}, "n", "only be 1"),
    ],
)
def test_pins_refuse(pins: dict[str, str], fields: dict[str, str], param: str, words: str) -> None:
    """Under the client's own field, with what is allowed, also when the client says it in other words."""
    refused = refusal(Terms(pins=pins), "flux-2-pro", **fields)
    assert refused.param == param
    assert words in refused.text


def test_a_pinned_resolution_is_not_got_around() -> None:
    """A size says one too."""
    pins = Terms(pins={"resolution": "1k"})
    assert own(done(pins, "flux-3-image", size="1024x1024"))["resolution"] == "1k"
    assert own(done(pins, "flux-3-image", size="16:9")) == {"aspect_ratio": "16:9", "resolution": "1k"}
    assert refusal(pins, "flux-3-image", size="4096x4096").param == "size"


NAMES = st.sampled_from(["size", "aspect_ratio", "seed", "moderation", "safety_tolerance", "prompt_upsampling"])
VALUES = {
    "size": st.sampled_from(["1:1", "512x512", "auto", "3:2"]),
    "aspect_ratio": st.sampled_from(["1:1", "3:2", "auto"]),
    "seed": st.sampled_from(["0", "7"]),
    "moderation": st.sampled_from(["auto", "low"]),
    "safety_tolerance": st.sampled_from(["0", "1", "2"]),
    "prompt_upsampling": st.sampled_from(["true", "false"]),
}
SOME = st.dictionaries(NAMES, st.none(), max_size=4).flatmap(lambda d: st.fixed_dictionaries({k: VALUES[k] for k in d}))


@given(SOME, SOME, st.sampled_from([name for name, model in MODELS.items() if model.edits and not model.masks]))
def test_what_is_pinned_is_what_is_sent(pins: dict[str, str], fields: dict[str, str], model: str) -> None:
    """Whatever a client says, the body is that of a client which says nothing more than the pins, or it is refused."""
    try:
        expected = done(Terms(), model, **pins)
        made = done(Terms(pins=pins), model, **fields)
    except InvalidField:
        return
    for name in ("seed", "safety_tolerance", "disable_pup", "prompt_upsampling"):
        if name in pins and MODELS[model].takes(name):
            assert made.body.get(name) == expected.body.get(name)
    if pins.get("moderation") == "auto" and "safety_tolerance" not in pins:
        assert "safety_tolerance" not in made.body


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("size", "1024x1024"),
        ("size", "auto"),
        ("moderation", "low"),
        ("quality", "high"),
        ("safety_tolerance", "2"),
        ("aspect_ratio", "16:9"),
        ("prompt_upsampling", "true"),
        ("guidance", "2.5"),
        ("resolution", "2k"),
        ("seed", "5"),
    ],
)
def test_what_may_be_said(name: str, text: str) -> None:
    """By every model that takes the field."""
    check(name, text, MODELS.values())


@pytest.mark.parametrize(
    ("name", "text", "models", "words"),
    [
        ("size", "large", None, "WIDTHxHEIGHT"),
        ("size", "9:1", None, "9:1"),
        ("moderation", "none", None, "auto, low"),
        ("safety_tolerance", "3", None, "0 to 2"),
        ("aspect_ratio", "4:1", None, "3:7"),
        ("guidance", "6", None, "1.5 to 5"),
        ("prompt_upsampling", "maybe", ["flux-2-pro"], "true or false"),
        ("resolution", "8k", None, "4k"),
        ("seed", "-1", None, "0 to"),
        ("seed", "1", ["flux-3-image"], "no model"),
        ("aspect_ratio", "1:1", ["flux-pro-1.0-fill"], "no model"),
        ("output_format", "jpeg", None, "no model"),
        ("n", "1", None, "no model"),
    ],
)
def test_what_may_not_be_said(name: str, text: str, models: list[str] | None, words: str) -> None:
    """Found when the configuration is read."""
    with pytest.raises(InvalidField) as caught:
        check(name, text, [MODELS[model] for model in models or MODELS])
    assert words in caught.value.text
    assert caught.value.param == name
    assert isinstance(caught.value, UnknownField) is (words == "no model")
