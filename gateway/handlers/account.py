"""What became of every field, told in one place: what the plan says, what the engine did, and that nothing is left."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.dialects.openai.members import KINDS
from gateway.domain.edit import Edit
from gateway.domain.errors import UnsupportedField
from gateway.domain.notes import UNKNOWN, Fate, Note, unaccounted
from gateway.handlers.received import Purpose

PICTURES = ("image", "mask", "markup")


def account(edit: Edit, planned: Iterable[Note], platform: str, purpose: Purpose) -> tuple[Note, ...]:
    """
    The plan's notes and the engine's own. A field of which the plan says nothing is dropped by no platform in silence.

    Raises: UnsupportedField, which names it.
    """
    planned = tuple(planned)
    if (name := unaccounted(edit, planned)) is not None:
        raise UnsupportedField(f"{platform} has nothing to match '{name[:64]}'. Leave it out.", param=name[:64])
    edited = purpose == "generation" and not edit.from_text
    return (*planned, *_empty(edit.empty), *([Note("request", Fate.CONVERTED, "edit")] if edited else []))


def _empty(names: Iterable[str]) -> Iterable[Note]:
    """Fields without a value, by their names as far as this program knows them."""
    known = [name for name in names if name in KINDS or name in PICTURES]
    yield from (Note(name, Fate.IGNORED, "empty") for name in known)
    if strange := len(set(names) - set(known)):
        yield Note(UNKNOWN, Fate.IGNORED, f"{strange} empty")
