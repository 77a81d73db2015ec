"""The translation header: what was done to each field, in names that this program knows."""

from __future__ import annotations

from gateway.domain.notes import Fate, Note, header


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
