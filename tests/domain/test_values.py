"""Values at hand-overs: frozen, compared by content, and printed without what is private."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.domain.outcome import Finished, Ticket

EDIT = Edit(
    "PROMPT",
    (Link("https://h/?sig=SIGNED"),),
    end_user="PERSON",
    asked=(("prompt", "PROMPT"), ("user", "PERSON")),
    extra=(("seed", "EXTRA"),),
)


@pytest.mark.parametrize(
    "value",
    [
        EDIT,
        Link("https://h/?sig=SIGNED"),
        Ticket("task", "https://h/?id=SIGNED", "model", "account"),
        Finished((Link("https://h/?sig=SIGNED"),), prompt="PROMPT"),
    ],
)
def test_printing_shows_nothing_private(value: object) -> None:
    """Values end up in log lines and assertion messages: no prompts, people or signed addresses there."""
    assert not any(word in repr(value) for word in ("PROMPT", "SIGNED", "PERSON", "EXTRA"))


def test_values_are_frozen() -> None:
    """What is handed over does not change under its reader."""
    with pytest.raises(FrozenInstanceError):
        EDIT.n = 2  # type: ignore[misc]
    assert not hasattr(EDIT, "__dict__")


def test_has() -> None:
    """True for what the client sent, whatever it was."""
    assert EDIT.has("user")
    assert not EDIT.has("seed")
