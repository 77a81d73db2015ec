"""Is it YAML at all, and how deep: told with a line, a column and, where the cause is a usual one, the cure."""

from __future__ import annotations

import re
from typing import Final

import yaml

from gateway.config.problem import ConfigError, Place, problem

_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_CURES: Final = {
    "${": 'inside { } or [ ] a variable needs quotes: "${NAME}"',
    "\t": "indent with spaces, not tabs",
}


def compose(text: str, file: str, max_depth: int) -> yaml.Node | None:
    """
    The node tree; None when there is nothing but comments.

    Raises:
        ConfigError: one problem; a broken syntax leaves nothing to check further.
    """
    try:
        too_deep = _too_deep(text, max_depth)
        if too_deep is None:
            root: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
            return root
        index, what = too_deep, f"nested deeper than {max_depth} levels"
    except yaml.reader.ReaderError as error:
        # Counted in bytes of UTF-8, unlike the marks.
        index, what = len(text.encode()[: error.position].decode(errors="ignore")), error.reason
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index, what = mark.index if mark else 0, ", ".join(filter(None, (error.context, error.problem)))
    raise ConfigError([problem(_place(text, file, index), (), what + _cure(text, index))])


def _too_deep(text: str, max_depth: int) -> int | None:
    """Where the depth is passed. The composer recurses in C without a guard: such a file would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > max_depth:
            return event.start_mark.index if event.start_mark else 0
    return None


def _place(text: str, file: str, index: int) -> Place:
    """What is missing at the end of the text belongs to its last line: nobody can go to the line after it."""
    before = _LINE_BREAK.split(text[: min(index, len(text.rstrip()))])
    return Place(file, len(before), len(before[-1]) + 1)


def _cure(text: str, index: int) -> str:
    around = text[: index + 1].rstrip(" \r\n")
    line = around[around.rfind("\n") + 1 :]
    return "".join(f"; {cure}" for sign, cure in _CURES.items() if sign in line)
