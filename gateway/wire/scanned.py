"""What a scanner tells of a JSON document: values with their path, and with their place in its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]


class Kind(StrEnum):
    """What a value is, in words for the client."""

    OBJECT = "an object"
    ARRAY = "an array"
    TEXT = "a string"
    NUMBER = "a number"
    TRUTH = "a boolean"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Opened:
    """An object, an array or a streamed string begins at byte `start`; its members or pieces follow."""

    path: Path
    kind: Kind
    start: int


@dataclass(frozen=True, slots=True)
class Closed:
    """What was opened last has ended; its text is `start:stop`."""

    path: Path
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Value:
    """A string without its escapes, or a number, `true`, `false` or `null` as written; its place is `start:stop`."""

    path: Path
    kind: Kind
    text: str = field(repr=False)
    start: int
    stop: int


# A piece of a streamed string is a plain str, never empty.
Event: TypeAlias = Opened | Closed | Value | str


def spelled(path: Path) -> str:
    """`images[0].image_url`, as error texts name it; at most 64 characters."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")[:64]
