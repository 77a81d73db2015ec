"""What became of each field: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


def header(notes: Iterable[Note]) -> str:
    """The notes as a header value: `size=converted(3:2), quality=ignored`; what was sent as it is stays unsaid."""
    told = (note for note in notes if note.fate is not Fate.SENT)
    line = ", ".join(f"{n.param}={n.fate}({n.to})" if n.to else f"{n.param}={n.fate}" for n in told)
    # An operator's own value may have any number of lines, and a header has one.
    return "".join(c if " " <= c <= "~" else "?" for c in line)
