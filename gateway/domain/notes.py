"""What became of each field: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.edit import Edit

# What the engine itself serves, for every platform alike.
SERVED = frozenset({"model", "n", "prompt", "response_format", "stream"})
# The note of a platform that has counted the fields that nobody knows, and dropped them as its operator wished.
UNKNOWN = "unknown"


class Fate(StrEnum):
    SENT = "sent"
    CONVERTED = "converted"
    EMULATED = "emulated"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Note:
    """
    One field's fate. `param` is a name this program knows, never the client's own words;
    `to` is what it became, when that tells the client something.
    """

    param: str
    fate: Fate
    to: str | None = None


def ignored(edit: Edit, names: Iterable[str]) -> tuple[Note, ...]:
    """A note for each of these fields that the client sent, and for which a platform has nothing."""
    return tuple(Note(name, Fate.IGNORED) for name in names if edit.has(name))


def unaccounted(edit: Edit, notes: Iterable[Note]) -> str | None:
    """The first field, or kind of picture, that came and of which no note tells what became; None without one."""
    told = {note.param for note in notes} | SERVED
    if UNKNOWN in told:
        told |= {name for name, _ in edit.extra}
    pictures = {"image": edit.images, "mask": edit.mask, "markup": edit.markup}
    came = [*dict((*edit.asked, *edit.extra)), *(kind for kind, found in pictures.items() if found)]
    return next((name for name in came if name not in told), None)


def header(notes: Iterable[Note]) -> str:
    """The notes as a header value: `size=converted(3:2), quality=ignored`; what was sent as it is stays unsaid."""
    told = (note for note in notes if note.fate is not Fate.SENT)
    line = ", ".join(f"{n.param}={n.fate}({n.to})" if n.to else f"{n.param}={n.fate}" for n in told)
    # An operator's own value may have any number of lines, and a header has one.
    return "".join(c if " " <= c <= "~" else "?" for c in line)
