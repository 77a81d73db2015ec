"""
Variables inside one text: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`.

What was put in is never looked at again, so a value may contain anything. A variable that is set but blank counts
as not set, as everywhere in the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_HOLE: Final = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)\}|\$\{")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filled:
    """`names`: the variables that were asked for, in order. `faults`: what went wrong; never quotes a value."""

    text: str
    names: tuple[str, ...]
    faults: tuple[str, ...]


def interpolate(text: str, environ: Mapping[str, str]) -> Filled:
    names: list[str] = []
    faults: list[str] = []

    def fill(hole: re.Match[str]) -> str:
        if hole[0] == "$${":
            return "${"
        inside = _INSIDE.fullmatch(hole["inside"] or "")
        if inside is None:
            faults.append("write ${NAME} or ${NAME:-default}, without nesting ($${ stands for a plain ${)")
            return ""
        name, default = inside["name"], inside["default"]
        names.append(name)
        value = environ.get(name, "")
        if value.strip():
            return value
        if default is None:
            state = "is set but empty" if name in environ else "is not set"
            faults.append(f"environment variable {name} {state}")
        return default or ""

    filled = _HOLE.sub(fill, text)
    return Filled(filled, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(faults)))
