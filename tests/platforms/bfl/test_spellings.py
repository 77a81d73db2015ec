"""Fields under the names that applications for many vendors give them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai.form import Form, read_generation
from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField
from gateway.domain.notes import unaccounted
from gateway.domain.size import Pixels
from gateway.domain.target import Terms
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.request import translate
from tests.fakes.blob import MemoryBlob

PICTURE = MemoryBlob(pixels=Pixels(512, 512))
PRO, FLEX = MODELS["flux-kontext-pro"], MODELS["flux-2-flex"]


def edit(**fields: str) -> Edit:
    return read_generation(Form((("prompt", "a"), *fields.items()), (("image", PICTURE),)))


@pytest.mark.parametrize("model", [PRO, FLEX, MODELS["flux-3-image"]], ids=lambda model: model.name)
@pytest.mark.parametrize(
    ("sent", "usual"),
    [
        ({"aspectRatio": "16:9"}, {"aspect_ratio": "16:9"}),
        ({"width": "1024", "height": "768"}, {"size": "1024x768"}),
        ({"width": "1600", "height": "900", "aspectRatio": "16:9"}, {"size": "1600x900", "aspect_ratio": "16:9"}),
    ],
)
def test_they_mean_what_the_usual_names_mean(model: Any, sent: dict[str, str], usual: dict[str, str]) -> None:
    """The same calls; the notes are about the client's own words, and leave none out."""
    asked, done = edit(**sent), translate(edit(**sent), model)
    expected = translate(edit(**usual), model)
    assert done.body == expected.body
    assert set(done.names.values()) <= {"prompt", "image", "output_format", *sent}
    assert unaccounted(asked, done.notes) is None
    words = {"aspect_ratio": ["aspectRatio"], "size": ["width", "height"]}
    told = [replace(note, param=name) for note in expected.notes for name in words.get(note.param, [note.param])]
    assert done.notes == tuple(told)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"width": "1024"}, "height"),
        ({"height": "1024"}, "width"),
        ({"width": "1024", "height": "768", "size": "1024x768"}, "width"),
        ({"aspectRatio": "1:1", "aspect_ratio": "1:1"}, "aspectRatio"),
        ({"width": "0", "height": "768"}, "width"),
        ({"width": "1024", "height": "x"}, "height"),
        ({"width": "9000", "height": "10"}, "width"),
        ({"aspectRatio": "wide"}, "aspectRatio"),
        ({"aspectRatio": "99:1"}, "aspectRatio"),
        ({"aspectRatio": "1:1", "width": "1600", "height": "900"}, "aspectRatio"),
    ],
)
def test_refusals_name_the_clients_own_field(fields: dict[str, str], param: str) -> None:
    """Half a size, the same twice, and values that the model does not make."""
    with pytest.raises(InvalidField) as caught:
        translate(edit(**fields), PRO)
    assert caught.value.param == param


def test_what_a_route_says_holds_for_them() -> None:
    """A pin is not evaded by another word, a default is not used beside one, an override replaces it."""
    sides = {"width": "1024", "height": "768"}
    for fields in (sides, {"aspectRatio": "4:3"}):
        pinned = "size" if "width" in fields else "aspect_ratio"
        with pytest.raises(InvalidField) as caught:
            translate(edit(**fields), PRO, Terms(pins={pinned: "1:1"}))
        assert caught.value.param in fields
        plain = translate(edit(**fields), PRO)
        assert translate(edit(**fields), PRO, Terms(defaults={"size": "1:1"})).body == plain.body
        replaced = translate(edit(**fields), PRO, Terms(overrides={"size": "1:1"}))
        assert replaced.body["aspect_ratio"] == "1:1"
        assert unaccounted(edit(**fields), replaced.notes) is None


@given(
    st.dictionaries(
        st.sampled_from(["aspectRatio", "width", "height", "size", "aspect_ratio"]),
        st.sampled_from(["1:1", "16:9", "1024", "768", "1024x768", "x"]),
        max_size=4,
    )
)
def test_nothing_is_dropped_in_silence(fields: dict[str, str]) -> None:
    """Translated with a note for each, or refused by one of their names."""
    for model in (PRO, FLEX):
        try:
            asked = edit(**fields)
            left = unaccounted(asked, translate(asked, model).notes)
        except InvalidField as error:
            left = None if error.param in fields.keys() | {"width", "height"} else error.param
        assert left is None
