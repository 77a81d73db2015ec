"""
Other spellings of fields, as applications write them that serve many vendors: `aspectRatio`, `width` and `height`.

What a route says about the field itself holds for them as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField
from gateway.domain.notes import Note
from gateway.domain.size import Pixels
from gateway.domain.words import read_whole

RATIO, SIDES = "aspectRatio", ("width", "height")
LONGEST = 99_999


@dataclass(frozen=True, slots=True)
class Spelled:
    """The edit in the usual words, and those of the client for each that was spelled otherwise."""

    edit: Edit
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def param(self, name: str | None) -> str | None:
        """The client's word for a field that a complaint is about."""
        return self.own[name][0] if name is not None and name in self.own else name

    def notes(self, notes: Iterable[Note]) -> tuple[Note, ...]:
        """The notes under the client's words."""
        return tuple(replace(note, param=name) for note in notes for name in self.own.get(note.param, (note.param,)))


def respell(edit: Edit) -> Spelled:
    """Raises: InvalidField for half a size, or for a field that came in two spellings."""
    sent = dict(edit.extra)
    own: dict[str, tuple[str, ...]] = {}
    if RATIO in sent:
        own["aspect_ratio"] = (RATIO,)
    if any(side in sent for side in SIDES):
        own["size"] = SIDES
    if not own:
        return Spelled(edit)
    for name, words in own.items():
        for word in words:
            if word not in sent:
                raise InvalidField("width and height belong together. Send both, or a size.", param=word)
        if name in dict(edit.asked) or name in sent:
            raise InvalidField(
                f"{' and '.join(words)} and {name} ask for the same. Send one of the two.", param=words[0]
            )
    size, new = edit.size, dict[str, str]()
    if "size" in own:
        width, height = (read_whole(sent[side], side, 1, LONGEST) for side in SIDES)
        size = Pixels(width, height)
        new["size"] = str(size)
    extra = {name: text for name, text in sent.items() if name not in (RATIO, *SIDES)}
    if RATIO in sent:
        extra["aspect_ratio"] = new["aspect_ratio"] = sent[RATIO]
    asked = (*((name, text) for name, text in edit.asked if name not in (RATIO, *SIDES)), *new.items())
    return Spelled(replace(edit, size=size, asked=asked, extra=tuple(extra.items())), own)
