"""The translation header: what was done to each field, in names that this program knows."""

from __future__ import annotations

import pytest

from gateway.domain.edit import Edit
from gateway.domain.notes import Fate, Note, header, ignored, unaccounted
from tests.fakes.blob import MemoryBlob


def test_the_header() -> None:
    """What was sent as it is stays unsaid; the rest is named with what it became."""
    notes = [
        Note("prompt", Fate.SENT),
        Note("size", Fate.CONVERTED, "3:2"),
        Note("quality", Fate.IGNORED),
        Note("n", Fate.EMULATED),
    ]
    assert header(notes) == "size=converted(3:2), quality=ignored, n=emulated"


def test_nothing_to_say() -> None:
    """Empty when every field went as it came."""
    assert header([Note("prompt", Fate.SENT)]) == header([]) == ""


def test_it_is_one_line_of_ascii() -> None:
    """An operator's value may be a paragraph: no header, and no answer, breaks on it."""
    notes = [Note("prompt", Fate.CONVERTED, "a\r\nX-Evil: ü"), Note("user", Fate.CONVERTED, "b\0")]
    assert header(notes) == "prompt=converted(a??X-Evil: ?), user=converted(b?)"


ASKED = (("prompt", "a"), ("size", "3:2"), ("quality", "low"), ("seed", "7"), ("n", "2"))
EDIT = Edit("a", (MemoryBlob(),), mask=MemoryBlob(), asked=ASKED, extra=(("seed", "7"),))
TOLD = {name: Note(name, Fate.SENT) for name in ("size", "quality", "seed", "image", "mask")}


@pytest.mark.parametrize("name", TOLD)
def test_a_field_of_which_nothing_is_told(name: str) -> None:
    """By its name; what the engine serves itself needs no note."""
    assert unaccounted(EDIT, TOLD.values()) is None
    assert unaccounted(EDIT, [note for param, note in TOLD.items() if param != name]) == name


def test_unknown_fields_that_were_counted() -> None:
    """A count covers what nobody knows, and nothing that OpenAI defines."""
    counted = [note for param, note in TOLD.items() if param != "seed"] + [Note("unknown", Fate.IGNORED, "1")]
    assert unaccounted(EDIT, counted) is None
    assert unaccounted(EDIT, [note for note in counted if note.param != "size"]) == "size"


def test_what_is_ignored() -> None:
    """Of the names given, those that were sent."""
    assert ignored(EDIT, ("quality", "style")) == (Note("quality", Fate.IGNORED),)
