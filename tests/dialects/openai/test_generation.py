"""From a form to an edit without pictures."""

from __future__ import annotations

import pytest

from gateway.dialects.openai.form import Form
from gateway.dialects.openai.generation import read_generation
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import InvalidField, MissingField, UnknownField
from gateway.domain.size import Pixels
from tests.fakes.blob import MemoryBlob


def test_the_options_of_an_edit_without_its_pictures() -> None:
    """The same fields with the same meaning."""
    fields = (("prompt", "a fox"), ("size", "1024x768"), ("n", "2"), ("output_format", "jpeg"), ("seed", "7"))
    edit = read_generation(Form(fields, ()))
    assert edit == Edit(
        "a fox",
        (),
        n=2,
        size=Pixels(1024, 768),
        output_format=OutputFormat.JPEG,
        asked=fields,
        extra=(("seed", "7"),),
    )
    assert edit.from_text


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]", "images", "mask", "markup", "picture"])
def test_pictures_are_unknown(name: str) -> None:
    """Named, whether they came as files or, the known ones, as text."""
    with pytest.raises(UnknownField) as caught:
        read_generation(Form((("prompt", "a"),), ((name, MemoryBlob()),)))
    assert caught.value.param == name
    if name != "picture":
        with pytest.raises(UnknownField) as caught:
            read_generation(Form((("prompt", "a"), (name, "x")), ()))
        assert caught.value.param == name


@pytest.mark.parametrize(
    ("field", "kind"), [(("prompt", " "), MissingField), (("n", "0"), InvalidField), (("stream", "x"), InvalidField)]
)
def test_refusals_are_those_of_an_edit(field: tuple[str, str], kind: type[InvalidField]) -> None:
    """The same words."""
    with pytest.raises(kind) as caught:
        read_generation(Form(tuple(({"prompt": "a"} | dict([field])).items()), ()))
    assert caught.value.param == field[0]
