"""The translation table: every OpenAI field is sent, converted, ignored on purpose or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.form import Form, read_edit
from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit
from gateway.domain.errors import GatewayError, InvalidField, UnknownField, UnsupportedField
from gateway.domain.notes import Fate, Note, header
from gateway.domain.size import Pixels
from gateway.domain.target import NO_TERMS, Terms
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.request import Translation
from gateway.platforms.bfl.request import translate as translated
from gateway.platforms.bfl.sizes import AREAS
from gateway.wire.body import Base64
from tests.fakes.blob import MemoryBlob

A, B, C, D, E = (MemoryBlob(name) for name in (b"a", b"b", b"c", b"d", b"e"))
MEGAPIXEL = MemoryBlob(b"m", pixels=Pixels(1024, 1024))
# What an edit without options comes to.
LEAST = {"prompt": "a fox", "input_image": Base64(A), "output_format": "png"}


def edit(*pictures: Blob, **fields: str) -> Edit:
    """As the dialect reads it."""
    files = tuple(("image[]", picture) for picture in pictures or (A,))
    return read_edit(Form(tuple(({"prompt": "a fox"} | fields).items()), files))


def translate(
    asked: Edit,
    model: str = "flux-kontext-pro",
    *,
    terms: Terms = NO_TERMS,
    forward_user: bool = False,
    lenient: bool = False,
) -> Translation:
    return translated(asked, MODELS[model], terms, offered=MODELS, forward_user=forward_user, lenient=lenient)


def refusal(asked: Edit, **options: Any) -> GatewayError:
    with pytest.raises(InvalidField) as caught:
        translate(asked, **options)
    return caught.value


def test_the_least_edit() -> None:
    """Prompt and picture, and the format always: BFL's own default differs from model to model."""
    done = translate(edit())
    assert done.body == LEAST
    assert header(done.notes) == ""


@pytest.mark.parametrize(
    ("field", "value", "sent", "said"),
    [
        ("output_format", "png", {}, ""),
        ("output_format", "jpeg", {"output_format": "jpeg"}, ""),
        ("output_format", "webp", {"output_format": "webp"}, ""),
        ("size", "1024x1024", {"aspect_ratio": "1:1"}, "size=converted(1:1)"),
        ("size", "512x512", {"aspect_ratio": "1:1"}, "size=converted(1:1)"),
        ("size", "1792x1024", {"aspect_ratio": "7:4"}, "size=converted(7:4)"),
        ("size", "1024x1536", {"aspect_ratio": "2:3"}, "size=converted(2:3)"),
        ("size", "1000x999", {"aspect_ratio": "1000:999"}, "size=converted(1000:999)"),
        ("size", "2100x900", {"aspect_ratio": "7:3"}, "size=converted(7:3)"),
        ("size", "300x700", {"aspect_ratio": "3:7"}, "size=converted(3:7)"),
        ("size", "21:9", {"aspect_ratio": "21:9"}, "size=converted(21:9)"),
        ("size", "9:21", {"aspect_ratio": "9:21"}, "size=converted(9:21)"),
        ("size", "32:18", {"aspect_ratio": "32:18"}, "size=converted(32:18)"),
        ("size", "auto", {}, "size=converted(input ratio)"),
        ("aspect_ratio", "3:7", {"aspect_ratio": "3:7"}, ""),
        ("aspect_ratio", "7:3", {"aspect_ratio": "7:3"}, ""),
        ("aspect_ratio", "21:9", {"aspect_ratio": "21:9"}, ""),
        ("aspect_ratio", "auto", {}, "aspect_ratio=converted(input ratio)"),
        ("seed", "0", {"seed": 0}, ""),
        ("seed", "1752478609715", {"seed": 1752478609715}, ""),
        ("prompt_upsampling", "true", {"prompt_upsampling": True}, ""),
        ("prompt_upsampling", "False", {"prompt_upsampling": False}, ""),
        ("safety_tolerance", "0", {"safety_tolerance": 0}, ""),
        ("safety_tolerance", "2", {"safety_tolerance": 2}, ""),
        ("moderation", "low", {"safety_tolerance": 2}, "moderation=converted(safety_tolerance 2)"),
        ("moderation", "auto", {}, "moderation=converted(default)"),
        ("user", "u", {}, "user=ignored"),
        ("safety_identifier", "s", {}, "safety_identifier=ignored"),
        ("quality", "high", {}, "quality=ignored"),
        ("input_fidelity", "high", {}, "input_fidelity=ignored"),
        ("output_compression", "80", {}, "output_compression=ignored"),
        ("background", "auto", {}, "background=ignored"),
        ("background", "opaque", {}, "background=ignored"),
        ("complexity", "low", {}, "complexity=ignored"),
        ("style", "vivid", {}, "style=ignored"),
        ("partial_images", "2", {}, "partial_images=ignored"),
        ("model", "flux-kontext-pro", {}, ""),
        ("model", "gpt-image-1", {}, "model=converted(flux-kontext-pro)"),
        ("n", "3", {}, "n=emulated(3 submissions)"),
        ("stream", "true", {}, ""),
        ("response_format", "url", {}, ""),
    ],
)
def test_one_field(field: str, value: str, sent: dict[str, Any], said: str) -> None:
    """What it becomes at BFL, and what the client is told."""
    done = translate(edit(**{field: value}))
    assert done.body == LEAST | sent
    assert header(done.notes) == said


@pytest.mark.parametrize(
    ("fields", "kind", "param", "words"),
    [
        ({"size": "9999x1"}, InvalidField, "size", ("9999:1", "3:7", "7:3", "auto")),
        ({"size": "1x3"}, InvalidField, "size", ("1:3", "3:7")),
        ({"size": "2101x900"}, InvalidField, "size", ("2101:900",)),
        ({"size": "299x700"}, InvalidField, "size", ("299:700",)),
        ({"aspect_ratio": "22:9"}, InvalidField, "aspect_ratio", ("22:9", "7:3")),
        ({"aspect_ratio": "1024x1024"}, InvalidField, "aspect_ratio", ("16:9",)),
        ({"aspect_ratio": "wide"}, InvalidField, "aspect_ratio", ("16:9",)),
        ({"size": "1:1", "aspect_ratio": "16:9"}, InvalidField, "aspect_ratio", ("1:1", "16:9", "one of the two")),
        ({"seed": "-1"}, InvalidField, "seed", ("whole number", "0")),
        ({"seed": "1.5"}, InvalidField, "seed", ("whole number",)),
        ({"seed": "9223372036854775807"}, InvalidField, "seed", ("9223372036854775806",)),
        ({"seed": "9" * 5000}, InvalidField, "seed", ()),
        ({"seed": "²"}, InvalidField, "seed", ()),
        ({"safety_tolerance": "3"}, InvalidField, "safety_tolerance", ("0 to 2",)),
        ({"safety_tolerance": "-1"}, InvalidField, "safety_tolerance", ("0 to 2",)),
        ({"prompt_upsampling": "maybe"}, InvalidField, "prompt_upsampling", ("true or false",)),
        ({"background": "transparent"}, UnsupportedField, "background", ("opaque", "auto")),
        ({"guidance": "3"}, UnsupportedField, "guidance", ("flux-2-flex",)),
        ({"zzz": "3"}, UnknownField, "zzz", ("'zzz'",)),
        ({"input_image": "http://x"}, UnknownField, "input_image", ()),
        ({"webhook_url": "http://x"}, UnknownField, "webhook_url", ()),
        ({"x" * 500: "1"}, UnknownField, "x" * 64, ()),
    ],
)
def test_refusals(fields: dict[str, str], kind: type[GatewayError], param: str, words: tuple[str, ...]) -> None:
    """The client's own field, and what it may send instead."""
    error = refusal(edit(**fields))
    assert (type(error), error.param, error.status) == (kind, param, 400)
    assert all(word in error.text for word in words)
    assert len(error.text) < 220


def test_pictures_that_kontext_does_not_take() -> None:
    """Mask and markup, with what to do instead; a fifth picture, by its place."""
    masked, marked = refusal(replace(edit(), mask=B)), refusal(replace(edit(), markup=B))
    assert (type(masked), masked.param) == (UnsupportedField, "mask")
    assert (type(marked), marked.param) == (UnsupportedField, "markup")
    assert "prompt" in masked.text and "prompt" in marked.text
    assert "flux-pro-1.0-fill" in masked.text
    five = refusal(edit(A, B, C, D, E))
    assert (type(five), five.param) == (UnsupportedField, "image[4]")
    assert "at most 4" in five.text


def test_several_pictures() -> None:
    """In order; complaints about one come back under its place in the client's list."""
    done = translate(edit(A, B, C, D))
    assert done.body == {
        "prompt": "a fox",
        "input_image": Base64(A),
        "input_image_2": Base64(B),
        "input_image_3": Base64(C),
        "input_image_4": Base64(D),
        "output_format": "png",
    }
    assert {name: client for name, client in done.names.items() if "image" in name} == {
        "input_image": "image[0]",
        "input_image_2": "image[1]",
        "input_image_3": "image[2]",
        "input_image_4": "image[3]",
    }
    assert translate(edit(A)).names["input_image"] == "image"


@pytest.mark.parametrize(
    ("model", "fields", "sent", "said"),
    [
        ("flux-2-pro", {}, {}, ""),
        ("flux-2-pro", {"disable_pup": "true"}, {"disable_pup": True}, ""),
        (
            "flux-2-pro",
            {"prompt_upsampling": "false"},
            {"disable_pup": True},
            "prompt_upsampling=converted(disable_pup true)",
        ),
        (
            "flux-2-max",
            {"prompt_upsampling": "true"},
            {"disable_pup": False},
            "prompt_upsampling=converted(disable_pup false)",
        ),
        (
            "flux-2-max",
            {"prompt_upsampling": "true", "disable_pup": "0"},
            {"disable_pup": False},
            "prompt_upsampling=converted(disable_pup false)",
        ),
        ("flux-2-pro", {"moderation": "low"}, {"safety_tolerance": 5}, "moderation=converted(safety_tolerance 5)"),
        ("flux-2-pro", {"safety_tolerance": "5"}, {"safety_tolerance": 5}, ""),
        (
            "flux-2-pro",
            {"size": "1000x500"},
            {"width": 992, "height": 496},
            "size=converted(992x496)",
        ),
        ("flux-2-pro", {"size": "16:9"}, {"width": 1360, "height": 768}, "size=converted(1360x768)"),
        ("flux-2-pro", {"size": "auto"}, {}, "size=converted(input size)"),
        (
            "flux-2-pro",
            {"aspect_ratio": "1:1"},
            {"width": 1024, "height": 1024},
            "aspect_ratio=converted(1024x1024)",
        ),
        (
            "flux-2-pro",
            {"size": "512x512", "aspect_ratio": "1:1"},
            {"width": 512, "height": 512},
            "size=converted(512x512), aspect_ratio=converted(512x512)",
        ),
        ("flux-2-flex", {"guidance": "4.5", "steps": "20"}, {"guidance": 4.5, "steps": 20}, ""),
        ("flux-2-flex", {"guidance": "10", "steps": "50"}, {"guidance": 10.0, "steps": 50}, ""),
        ("flux-2-flex", {"prompt_upsampling": "false"}, {"prompt_upsampling": False}, ""),
        ("flux-2-klein-4b", {"seed": "1"}, {"seed": 1}, ""),
    ],
)
def test_flux_2(model: str, fields: dict[str, str], sent: dict[str, Any], said: str) -> None:
    """Each field as this model says it."""
    done = translate(edit(MEGAPIXEL, **fields), model)
    assert done.body == {"prompt": "a fox", "input_image": Base64(MEGAPIXEL), "output_format": "png"} | sent
    assert header(done.notes) == said


@pytest.mark.parametrize(
    ("fields", "sent", "said"),
    [
        ({}, {}, ""),
        ({"output_format": "png"}, {}, ""),
        ({"grounding": "false"}, {"grounding": False}, ""),
        ({"resolution": "4k"}, {"resolution": "4k"}, ""),
        ({"size": "16:9", "resolution": "2k"}, {"aspect_ratio": "16:9", "resolution": "2k"}, "size=converted(16:9)"),
        (
            {"size": "2048x2048", "resolution": "2k"},
            {"aspect_ratio": "1:1", "resolution": "2k"},
            "size=converted(1:1 at 2k)",
        ),
        ({"aspect_ratio": "16:9"}, {"aspect_ratio": "16:9"}, ""),
        ({"aspect_ratio": "32:18"}, {"aspect_ratio": "16:9"}, "aspect_ratio=converted(16:9)"),
        (
            {"size": "3200x1800", "aspect_ratio": "16:9"},
            {"aspect_ratio": "16:9", "resolution": "2k"},
            "size=converted(16:9 at 2k)",
        ),
        ({"moderation": "low"}, {"safety_tolerance": 4}, "moderation=converted(safety_tolerance 4)"),
        ({"user": "u"}, {}, "user=ignored"),
        ({"n": "3"}, {}, "n=emulated(3 submissions)"),
    ],
)
def test_flux_3(fields: dict[str, str], sent: dict[str, Any], said: str) -> None:
    """Nothing that it does not know, as it would refuse the request: neither seed nor format nor user."""
    done = translate(edit(MEGAPIXEL, **fields), "flux-3-image", forward_user=True)
    assert done.body == {"prompt": "a fox", "images": [Base64(MEGAPIXEL)]} | sent
    assert done.names["images"] == "image"
    assert header(done.notes) == said
    assert done.megapixels == pytest.approx(1 + AREAS[str(sent.get("resolution", "1k"))] / 2**20)


@pytest.mark.parametrize(
    ("model", "fields", "kind", "param", "words"),
    [
        ("flux-2-pro", {"guidance": "3"}, UnsupportedField, "guidance", ("flux-2-flex",)),
        ("flux-2-pro", {"safety_tolerance": "6"}, InvalidField, "safety_tolerance", ("0 to 5",)),
        ("flux-2-pro", {"width": "1024"}, InvalidField, "height", ("belong together",)),
        (
            "flux-2-pro",
            {"prompt_upsampling": "true", "disable_pup": "true"},
            InvalidField,
            "disable_pup",
            ("prompt_upsampling",),
        ),
        ("flux-2-pro", {"prompt_upsampling": "yes"}, InvalidField, "prompt_upsampling", ("true or false",)),
        ("flux-2-flex", {"guidance": "1.4"}, InvalidField, "guidance", ("1.5 to 10",)),
        ("flux-2-flex", {"guidance": "nan"}, InvalidField, "guidance", ("1.5 to 10",)),
        ("flux-2-flex", {"guidance": "1e1"}, InvalidField, "guidance", ("1.5 to 10",)),
        ("flux-2-flex", {"steps": "51"}, InvalidField, "steps", ("1 to 50",)),
        ("flux-2-flex", {"steps": "2.5"}, InvalidField, "steps", ("whole number",)),
        ("flux-2-flex", {"disable_pup": "true"}, UnsupportedField, "disable_pup", ()),
        ("flux-2-klein-9b", {"prompt_upsampling": "true"}, UnsupportedField, "prompt_upsampling", ()),
        ("flux-2-klein-9b", {"size": "1:99999"}, InvalidField, "size", ("64",)),
        ("flux-3-image", {"seed": "1"}, UnsupportedField, "seed", ("flux-3-image has no seed",)),
        ("flux-3-image", {"output_format": "jpeg"}, UnsupportedField, "output_format", ("png",)),
        ("flux-3-image", {"output_format": "webp"}, UnsupportedField, "output_format", ("png",)),
        ("flux-3-image", {"resolution": "8k"}, InvalidField, "resolution", ("768sq, 1k",)),
        ("flux-3-image", {"size": "64x64", "resolution": "4k"}, InvalidField, "resolution", ("size",)),
        ("flux-3-image", {"safety_tolerance": "5"}, InvalidField, "safety_tolerance", ("0 to 4",)),
        ("flux-3-image", {"grounding": "2"}, InvalidField, "grounding", ("true or false",)),
        ("flux-pro-1.0-fill", {"steps": "14"}, InvalidField, "steps", ("15 to 50",)),
        ("flux-pro-1.0-fill", {"guidance": "101"}, InvalidField, "guidance", ("1.5 to 100",)),
        ("flux-pro-1.0-fill", {"aspect_ratio": "1:1"}, UnsupportedField, "aspect_ratio", ()),
        ("flux-pro-1.1", {}, UnsupportedField, "model", ("text alone", "flux-kontext-pro")),
        ("flux-pro-1.1-ultra", {}, UnsupportedField, "model", ("text alone",)),
        ("flux-dev", {}, UnsupportedField, "model", ("text alone",)),
    ],
)
def test_what_a_model_does_not_take(
    model: str, fields: dict[str, str], kind: type[GatewayError], param: str, words: tuple[str, ...]
) -> None:
    """By its own ranges, with the client's own field, and which model to use instead."""
    with pytest.raises(InvalidField) as caught:
        translate(edit(MEGAPIXEL, **fields), model)
    assert (type(caught.value), caught.value.param) == (kind, param)
    assert all(word in caught.value.text for word in words)


@pytest.mark.parametrize(
    ("model", "fields", "sent"),
    [
        ("flux-kontext-pro", {"safety_tolerance": "6"}, {"safety_tolerance": 6}),
        ("flux-pro-1.1", {"prompt_upsampling": "true"}, {"prompt_upsampling": True}),
        ("flux-pro-1.1-ultra", {"raw": "true"}, {"raw": True}),
        ("flux-dev", {"steps": "28", "guidance": "3"}, {"steps": 28, "guidance": 3.0}),
    ],
)
def test_text_alone(model: str, fields: dict[str, str], sent: dict[str, Any]) -> None:
    """Kontext allows more where no picture is edited; the others have fields of their own."""
    asked = Edit("a fox", (), asked=tuple(fields.items()), extra=tuple(fields.items()))
    done = translate(asked, model)
    assert done.body == {"prompt": "a fox", "output_format": "png"} | sent
    assert [note.param for note in done.notes] == ["prompt", "output_format", *fields]


def test_fill_makes_nothing_of_text_alone() -> None:
    """The client is told who does."""
    with pytest.raises(UnsupportedField) as caught:
        translate(Edit("a fox", ()), "flux-pro-1.0-fill")
    assert caught.value.param == "model" and "flux-kontext-pro" in caught.value.text


def test_seeds_of_several_pictures() -> None:
    """Each picture another one; a model without seeds gets the same body each time."""
    asked = replace(edit(MEGAPIXEL, seed="7"), n=3)
    assert [body["seed"] for body in translate(asked, "flux-2-pro").bodies(3)] == [7, 8, 9]
    done = translate(edit(MEGAPIXEL), "flux-3-image")
    assert done.bodies(3) == (done.body,) * 3


def test_a_link_is_sent_as_it_is() -> None:
    """BFL fetches addresses itself."""
    assert translate(Edit("a fox", (Link("https://h.example/a.png"),))).body["input_image"] == "https://h.example/a.png"


@pytest.mark.parametrize(
    ("fields", "sent", "said"),
    [
        ({"size": "1600x900", "aspect_ratio": "32:18"}, "32:18", "size=converted(32:18)"),
        ({"size": "auto", "aspect_ratio": "16:9"}, "16:9", "size=converted(16:9)"),
        ({"size": "16:9", "aspect_ratio": "auto"}, "16:9", "size=converted(16:9), aspect_ratio=converted(16:9)"),
        (
            {"size": "auto", "aspect_ratio": "auto"},
            None,
            "size=converted(input ratio), aspect_ratio=converted(input ratio)",
        ),
    ],
)
def test_size_and_aspect_ratio(fields: dict[str, str], sent: str | None, said: str) -> None:
    """Both may come as long as they agree, and neither is dropped in silence."""
    done = translate(edit(**fields))
    assert done.body.get("aspect_ratio") == sent
    assert header(done.notes) == said


@pytest.mark.parametrize(
    ("fields", "sent", "said"),
    [
        ({"moderation": "low", "safety_tolerance": "1"}, 1, "moderation=ignored"),
        ({"moderation": "auto", "safety_tolerance": "0"}, 0, "moderation=ignored"),
    ],
)
def test_moderation_and_tolerance(fields: dict[str, str], sent: int, said: str) -> None:
    """The more exact word counts."""
    done = translate(edit(**fields))
    assert done.body["safety_tolerance"] == sent
    assert header(done.notes) == said


@pytest.mark.parametrize(
    ("fields", "sent", "said"),
    [
        ({"user": "u"}, "u", ""),
        ({"safety_identifier": "s"}, "s", ""),
        ({"user": "u", "safety_identifier": "s"}, "s", "user=ignored"),
    ],
)
def test_the_end_user_when_it_is_sent_on(fields: dict[str, str], sent: str, said: str) -> None:
    """As BFL's `user`; of two words the newer."""
    done = translate(edit(**fields), forward_user=True)
    assert done.body == LEAST | {"user": sent}
    assert done.names["user"] == next(reversed(fields))
    assert header(done.notes) == said


def test_an_end_user_that_bfl_would_refuse() -> None:
    """1 to 256 characters, where it is sent at all."""
    assert refusal(edit(user="x" * 257), forward_user=True).param == "user"
    assert translate(edit(user="x" * 257)).body == translate(edit(user="")).body == LEAST
    assert translate(edit(user="x" * 256), forward_user=True).body["user"] == "x" * 256


def test_unknown_fields_where_the_operator_is_lenient() -> None:
    """Dropped and counted; their names, which are the client's words, go nowhere."""
    done = translate(edit(guidance="3", evil="\r\nx: y", seed="1"), lenient=True)
    assert done.body == LEAST | {"seed": 1}
    assert header(done.notes) == "unknown=ignored(2)"


DEFAULTS = {"aspect_ratio": "16:9", "safety_tolerance": "1", "prompt_upsampling": "true", "seed": "5"}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {"aspect_ratio": "16:9", "safety_tolerance": 1, "prompt_upsampling": True, "seed": 5}),
        ({"seed": "6"}, {"aspect_ratio": "16:9", "safety_tolerance": 1, "prompt_upsampling": True, "seed": 6}),
        ({"aspect_ratio": "1:1"}, {"aspect_ratio": "1:1", "safety_tolerance": 1, "prompt_upsampling": True, "seed": 5}),
        ({"size": "512x512"}, {"aspect_ratio": "1:1", "safety_tolerance": 1, "prompt_upsampling": True, "seed": 5}),
        ({"size": "auto"}, {"safety_tolerance": 1, "prompt_upsampling": True, "seed": 5}),
        ({"moderation": "low"}, {"aspect_ratio": "16:9", "safety_tolerance": 2, "prompt_upsampling": True, "seed": 5}),
        ({"moderation": "auto"}, {"aspect_ratio": "16:9", "safety_tolerance": 1, "prompt_upsampling": True, "seed": 5}),
    ],
)
def test_defaults_stand_in_for_what_was_not_sent(fields: dict[str, str], sent: dict[str, Any]) -> None:
    """The operator's default gives way to the client, also when the client says it in OpenAI's words."""
    assert translate(edit(**fields), terms=Terms(DEFAULTS)).body == LEAST | sent


def test_every_field_leaves_a_note() -> None:
    """Nothing is dropped in silence: what can be sent at once is accounted for, each once."""
    fields = {
        "size": "1:1",
        "seed": "1",
        "prompt_upsampling": "true",
        "moderation": "low",
        "user": "u",
        "safety_identifier": "s",
        "quality": "low",
        "input_fidelity": "low",
        "output_compression": "1",
        "background": "auto",
        "complexity": "low",
        "style": "natural",
        "partial_images": "1",
        "output_format": "webp",
        "model": "gpt-image-2",
    }
    noted = [note.param for note in translate(edit(**fields)).notes]
    assert sorted(noted) == sorted({"prompt", "image", *fields})
    assert Note("prompt", Fate.SENT) in translate(edit()).notes


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["size", "aspect_ratio", "seed", "safety_tolerance", "zzz"]), st.text(max_size=9))
)
def test_any_values_are_translated_or_refused(fields: dict[str, str]) -> None:
    """No text makes the translation fail otherwise, and the header never holds the client's own words."""
    asked = Edit(
        "a fox", (A,), asked=tuple(fields.items()), extra=tuple((k, v) for k, v in fields.items() if k != "size")
    )
    try:
        told = header(translate(asked, lenient=True).notes)
    except InvalidField as error:
        told = str(error.param)
    assert told.isascii() and told.isprintable()


@settings(deadline=None)
@given(st.text(min_size=1))
def test_prompts_are_sent_exactly(prompt: str) -> None:
    """Byte for byte, whatever is in them."""
    assert translate(Edit(prompt, (A,))).body["prompt"] == prompt
