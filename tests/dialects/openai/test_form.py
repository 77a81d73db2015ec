"""From a form to an edit: syntax only, every refusal names the client's own field."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.form import CHOICES, PROMPT_LONGEST, TAKEN, WHOLE, Form, read_edit
from gateway.domain.edit import Edit, OutputFormat, ResponseFormat
from gateway.domain.errors import DuplicateField, GatewayError, InvalidField, MissingField, UnsupportedField
from gateway.domain.size import Pixels, Ratio
from tests.fakes.blob import MemoryBlob

ONE, TWO = MemoryBlob(b"1"), MemoryBlob(b"2")


def read(*pictures: tuple[str, MemoryBlob], **fields: str) -> Edit:
    text = {"prompt": "a fox"} | fields
    return read_edit(Form(tuple(text.items()), pictures or (("image", ONE),)))


def refusal(*pictures: tuple[str, MemoryBlob], **fields: str) -> tuple[type[GatewayError], str | None, str]:
    with pytest.raises(InvalidField) as caught:
        read(*pictures, **fields)
    return type(caught.value), caught.value.param, caught.value.text


def test_the_least_request() -> None:
    """A prompt and a picture; everything else has OpenAI's defaults."""
    assert read() == Edit("a fox", (ONE,), asked=(("prompt", "a fox"),))


def test_the_fullest_request() -> None:
    """Every field in its place; all of them in `asked` in their order, those OpenAI does not know in `extra`."""
    fields = {
        "prompt": "a fox",
        "model": "flux-kontext-max",
        "n": "10",
        "size": "1024x768",
        "quality": "high",
        "response_format": "url",
        "output_format": "webp",
        "moderation": "low",
        "stream": "true",
        "user": "u",
        "safety_identifier": "s",
        "seed": "7",
        "partial_images": "3",
        "aspect_ratio": "1:1",
    }
    assert read(("mask", TWO), ("image", ONE), **fields) == Edit(
        prompt="a fox",
        images=(ONE,),
        model="flux-kontext-max",
        n=10,
        size=Pixels(1024, 768),
        response_format=ResponseFormat.URL,
        output_format=OutputFormat.WEBP,
        moderation="low",
        stream=True,
        end_user="s",
        mask=TWO,
        asked=tuple(fields.items()),
        extra=(("seed", "7"), ("aspect_ratio", "1:1")),
    )


@pytest.mark.parametrize(
    "names", [("image", "image"), ("image[]", "image[]"), ("image[0]", "image[1]"), ("image", "image[]")]
)
def test_spellings_of_the_picture_field(names: tuple[str, str]) -> None:
    """One meaning; pictures keep the order in which they arrived."""
    assert read((names[0], TWO), (names[1], ONE)).images == (TWO, ONE)


@pytest.mark.parametrize("prompt", ["  a\n", 'he said "hi"', "a\u2028b", "🦊\u200d", "a\r\nb", "x" * PROMPT_LONGEST])
def test_prompts_are_kept_exactly(prompt: str) -> None:
    """Nothing is trimmed or normalised."""
    assert read(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"prompt": ""}, MissingField, "prompt"),
        ({"prompt": " \n\t"}, MissingField, "prompt"),
        ({"prompt": "x" * (PROMPT_LONGEST + 1)}, InvalidField, "prompt"),
        ({"n": "0"}, InvalidField, "n"),
        ({"n": "11"}, InvalidField, "n"),
        ({"n": "-1"}, InvalidField, "n"),
        ({"n": "1.0"}, InvalidField, "n"),
        ({"n": "²"}, InvalidField, "n"),
        ({"n": "9" * 5000}, InvalidField, "n"),
        ({"size": "huge"}, InvalidField, "size"),
        ({"size": "1024"}, InvalidField, "size"),
        ({"response_format": "png"}, InvalidField, "response_format"),
        ({"response_format": "B64_JSON"}, InvalidField, "response_format"),
        ({"output_format": "jpg"}, InvalidField, "output_format"),
        ({"output_format": "gif"}, UnsupportedField, "output_format"),
        ({"output_format": "svg"}, UnsupportedField, "output_format"),
        ({"quality": "ultra"}, InvalidField, "quality"),
        ({"background": "red"}, InvalidField, "background"),
        ({"moderation": "high"}, InvalidField, "moderation"),
        ({"input_fidelity": "max"}, InvalidField, "input_fidelity"),
        ({"complexity": "max"}, InvalidField, "complexity"),
        ({"style": "noir"}, InvalidField, "style"),
        ({"output_compression": "101"}, InvalidField, "output_compression"),
        ({"partial_images": "4"}, InvalidField, "partial_images"),
        ({"stream": "yes"}, InvalidField, "stream"),
        ({"frame_count": "9"}, UnsupportedField, "frame_count"),
        ({"frame_duration_ms": "20"}, UnsupportedField, "frame_duration_ms"),
        ({"svg[model]": "x"}, UnsupportedField, "svg"),
    ],
)
def test_refused_values(fields: dict[str, str], kind: type[GatewayError], param: str) -> None:
    """With the field's name, and a text that repeats no long value."""
    found, named, text = refusal(**fields)
    assert (found, named) == (kind, param)
    assert len(text) < 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": "big"}, ("1024x1024", "16:9", "auto")),
        ({"output_format": "gif"}, ("png", "jpeg", "webp")),
        ({"output_format": "bmp"}, ("bmp", "png, jpeg, webp")),
        ({"n": "11"}, ("1", "10")),
        ({"quality": "best"}, ("best", "auto, low, medium, high")),
        ({"stream": "on"}, ("true", "false")),
    ],
)
def test_refusals_say_what_to_send(fields: dict[str, str], words: tuple[str, ...]) -> None:
    """What is allowed stands in the text."""
    _, _, text = refusal(**fields)
    assert all(word in text for word in words)


def test_pictures_that_are_missing_or_too_many() -> None:
    """No picture, a second mask, a file under another name."""
    with pytest.raises(MissingField) as caught:
        read_edit(Form((("prompt", "a"),), (("mask", ONE),)))
    assert caught.value.param == "image"
    assert refusal(("image", ONE), ("mask", ONE), ("mask[]", TWO))[:2] == (DuplicateField, "mask")
    assert refusal(("image", ONE), ("markup", ONE), ("markup", TWO))[:2] == (DuplicateField, "markup")
    assert refusal(("picture", ONE))[:2] == (UnsupportedField, "picture")
    assert refusal(("image[0]x", ONE))[:2] == (UnsupportedField, "image[0]x")


def test_a_field_that_comes_twice() -> None:
    """Refused even with the same value: which one was meant is anybody's guess."""
    with pytest.raises(DuplicateField) as caught:
        read_edit(Form((("prompt", "a"), ("n", "1"), ("n", "1")), (("image", ONE),)))
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    ("text", "size"), [("auto", None), ("", None), ("3:2", Ratio(3, 2)), ("9999x1", Pixels(9999, 1))]
)
def test_sizes(text: str, size: Pixels | Ratio | None) -> None:
    """Syntax only: what a model makes of it is the platform's business."""
    assert read(size=text).size == size


@pytest.mark.parametrize(
    ("text", "told"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_stream(text: str, told: bool) -> None:
    """As SDKs of several languages spell a boolean in a form."""
    assert read(stream=text).stream is told


def test_the_end_user() -> None:
    """`safety_identifier` has replaced `user`, so it wins."""
    assert read(user="u").end_user == "u"
    assert read(user="u", safety_identifier="s").end_user == "s"


@pytest.mark.parametrize("name", sorted((TAKEN | CHOICES.keys() | WHOLE.keys()) - {"prompt"} | {"seed", "svg"}))
def test_an_empty_text_is_absent(name: str) -> None:
    """Forms send empty inputs for what was not chosen; it is remembered that they came."""
    assert read(**{name: ""}) == replace(read(), empty=(name,))


@given(st.permutations(range(16)), st.integers(1, 16), st.integers(0, 900))
def test_numbered_pictures_are_in_the_order_of_their_numbers(order: list[int], count: int, first: int) -> None:
    """However they arrive, and whatever they are counted from."""
    blobs = {number: MemoryBlob(b"%d" % number) for number in order[:count]}
    pictures = tuple((f"image[{first + number}]", blob) for number, blob in blobs.items())
    assert read(*pictures, ("mask[7]", ONE)).images == tuple(blobs[number] for number in sorted(blobs))


@given(st.lists(st.sampled_from(["image", "image[]", "image[0]", "image[00]", "image[9]"]), min_size=1, max_size=6))
def test_pictures_without_a_number_each_are_in_the_order_of_their_arrival(names: list[str]) -> None:
    """One that has none, or shares it, and nobody can say where it belongs."""
    blobs = [MemoryBlob(b"%d" % position) for position in range(len(names))]
    found = read(*zip(names, blobs, strict=True)).images
    numbers = [name[6:-1] for name in names]
    certain = all(numbers) and len(set(map(int, numbers))) == len(names)
    in_order = sorted(range(len(names)), key=lambda position: int(numbers[position])) if certain else range(len(names))
    assert found == tuple(blobs[position] for position in in_order)


NAMES = st.sampled_from(["n", "size", "stream", "quality", "output_format", "svg", "model", "prompt"]) | st.text(
    max_size=8
)


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=6))
def test_any_form_is_read_or_refused(fields: list[tuple[str, str]]) -> None:
    """No text makes it fail otherwise; what is read kept every field, byte for byte."""
    form = Form(tuple(fields), (("image", ONE),))
    try:
        edit = read_edit(form)
    except InvalidField as error:
        named = error.param
    else:
        named = "none"
        assert edit.asked == tuple(field for field in fields if field[1])
        assert edit.empty == tuple(name for name, value in fields if not value)
        assert set(edit.extra) <= set(fields)
    assert named is not None
