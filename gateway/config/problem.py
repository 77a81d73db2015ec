"""What is wrong with a configuration, in the form every operator can act on: where, which key, what, what instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

KeyPath = tuple[str | int, ...]
"""Mapping keys and list indices from the top of the document."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_/-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a value was written.

    `line` and `column` count from 1; None outside of a file. `name` is what the operator calls the place when it is
    not a key: the variable (`file` is then `environment`) or the option (`command line`).
    """

    file: str
    line: int | None = None
    column: int | None = None
    name: str = ""

    def __str__(self) -> str:
        numbers = (str(number) for number in (self.line, self.column) if number is not None)
        return ":".join((self.file, *numbers))


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint. `path` is the key's path, or the variable's name when `file` is `environment`."""

    file: str
    line: int | None
    column: int | None
    path: str
    text: str

    def __str__(self) -> str:
        place = str(Place(self.file, self.line, self.column))
        return ": ".join(part for part in (place, self.path, self.text) if part)


class ConfigError(Exception):
    """Everything that is wrong with a configuration, in reading order; the message has one line per problem."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=_reading_order))
        super().__init__("\n".join(map(str, self.problems)))


def problem(place: Place, path: KeyPath, text: str) -> Problem:
    return Problem(place.file, place.line, place.column, place.name or spell(path), text)


def spell(path: KeyPath) -> str:
    """`("auth", "keys", 0, "id")` → `auth.keys[0].id`; a key that would be misread is quoted."""
    words = ""
    for key in path:
        if isinstance(key, int):
            words += f"[{key}]"
        else:
            words += ("." if words else "") + (key if _PLAIN_KEY.fullmatch(key) else ascii(key))
    return words


def _reading_order(problem: Problem) -> tuple[bool, int, int]:
    return (problem.line is None, problem.line or 0, problem.column or 0)
