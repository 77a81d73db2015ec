"""From a form to an edit that may be without pictures."""

from __future__ import annotations

import pytest

from gateway.dialects.openai.form import Form, read_edit, read_generation
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import InvalidField, MissingField, UnsupportedField
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


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]", "images", "images[]", "images[3]"])
def test_with_pictures_it_is_an_edit(name: str) -> None:
    """The same as on the path of edits."""
    form = Form((("prompt", "a"), ("n", "2")), ((name, MemoryBlob(b"1")), ("mask", MemoryBlob(b"2"))))
    assert read_generation(form) == read_edit(form)
    assert read_generation(form).images == (form.pictures[0][1],)


@pytest.mark.parametrize(
    ("name", "kind", "param"),
    [("mask", MissingField, "image"), ("markup", MissingField, "image"), ("picture", UnsupportedField, "picture")],
)
def test_files_that_are_of_no_use(name: str, kind: type[InvalidField], param: str) -> None:
    """A mask without its picture, and a file under another name."""
    with pytest.raises(kind) as caught:
        read_generation(Form((("prompt", "a"),), ((name, MemoryBlob()),)))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("field", "kind"), [(("prompt", " "), MissingField), (("n", "0"), InvalidField), (("stream", "x"), InvalidField)]
)
def test_refusals_are_those_of_an_edit(field: tuple[str, str], kind: type[InvalidField]) -> None:
    """The same words."""
    with pytest.raises(kind) as caught:
        read_generation(Form(tuple(({"prompt": "a"} | dict([field])).items()), ()))
    assert caught.value.param == field[0]
