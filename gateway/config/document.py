"""
A configuration as it was written: plain values, and for each of them where it stands.

A file, the environment and the command line are put into one document; the model is held against it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.problem import KeyPath, Place, Problem


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One value in the document.

    Args:
        value: mappings and lists as they are, scalars as YAML reads them.
        place: where the value starts.
        key: where its key starts; the value's own place for list items and the top.
        written: a scalar's text in the file, before anything was read into it.
        variables: names that were put into the text; the value is then never shown.
    """

    value: object
    place: Place
    key: Place
    written: str = ""
    variables: tuple[str, ...] = ()


@dataclass(slots=True)
class Document:
    """
    What was written, gathered step by step.

    `broken` are the paths already complained about, `bare` those at which nothing stands, `ignored` what was set but
    counts less than the file (name → reason). Both `data` and `entries` describe the same tree.
    """

    data: dict[str, Any] = field(default_factory=dict)
    entries: dict[KeyPath, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    bare: dict[KeyPath, Place] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)

    def put(self, path: KeyPath, value: object, place: Place) -> bool:
        """Set `path`, making the mappings above it; False where one of them is something else in the file."""
        *above, last = path
        inner: Any = self.data
        for depth, key in enumerate(above, start=1):
            # `auth: null` is an empty section, not a contradiction.
            if inner.get(key) is None:
                inner[key] = {}
                self.entries[path[:depth]] = Entry(inner[key], place, place)
            inner = inner[key]
            if not isinstance(inner, dict):
                return False
        inner[last] = value
        self._mark(path, value, place)
        return True

    def _mark(self, path: KeyPath, value: object, place: Place) -> None:
        self.entries[path] = Entry(value, place, place)
        inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for key, item in inside:
            self._mark((*path, key), item, place)
