"""
The node tree of a YAML file into plain values, each with its line and column; every fault is collected.

Variables are read into text nodes, never into the file's text, so no value can change the structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import yaml

from gateway.config.document import Document, Entry
from gateway.config.interpolate import interpolate
from gateway.config.problem import ConfigError, KeyPath, Place, problem

MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 50

_TAG: Final = "tag:yaml.org,2002:"
_COLLECTIONS: Final = {_TAG + kind for kind in ("map", "seq")}
_READ_BY_YAML: Final = {_TAG + kind for kind in ("null", "bool", "int", "float", "timestamp")}
# 012 is octal and 1:30 counts in sixties (https://yaml.org/type/int.html), which nobody means in this file.
_MISREAD: Final = re.compile(r"[-+]?0[0-7_]+|[^:]+(?::[^:]+)+")
# Nothing after the colon is as if the key were not there: a section with all its lines commented out, `${X:-}`.
_LEFT_OUT: Final = object()


class NodeReader:
    """Reads one tree once."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self._document = Document()
        self._file = file
        self._environ = environ
        self._nodes_left = MAX_NODES
        self._open: list[yaml.Node] = []
        self._construct = yaml.constructor.SafeConstructor().construct_object

    def document(self, root: yaml.MappingNode) -> Document:
        """
        Raises:
            ConfigError: a bound is passed.
        """
        self._document.data = self._value(root, (), None)
        return self._document

    def _value(self, node: yaml.Node, path: KeyPath, key: yaml.Node | None) -> Any:
        value: object = None
        variables: tuple[str, ...] = ()
        written = ""
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            self._complain(node, path, f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here")
        with self._inside(node, path):
            if isinstance(node, yaml.MappingNode):
                value = self._mapping(node, path)
            elif isinstance(node, yaml.SequenceNode):
                value = self._sequence(node, path)
            elif isinstance(node, yaml.ScalarNode):
                written = node.value
                value, variables = self._scalar(node, path)
        if value is not _LEFT_OUT:
            place = self._place(node)
            at_key = place if key is None else self._place(key)
            self._document.entries[path] = Entry(value, place, at_key, written, variables)
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for name, (key, node_) in self._pairs(node, path).items():
            value = self._value(node_, (*path, name), key)
            if value is _LEFT_OUT:
                self._document.bare[(*path, name)] = self._place(key)
            else:
                mapping[name] = value
        return mapping

    def _sequence(self, node: yaml.SequenceNode, path: KeyPath) -> list[object]:
        items: list[object] = []
        for item in node.value:
            value = self._value(item, (*path, len(items)), None)
            if value is not _LEFT_OUT:
                items.append(value)
        return items

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Keys are always text (`no`, `1.5` are names here). What is written beats what `<<` brings in."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        inherited: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                for source in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    if not isinstance(source, yaml.MappingNode):
                        self._complain(source, path, "<< takes a mapping, or a list of mappings")
                        continue
                    with self._inside(source, path):
                        inherited = {**self._pairs(source, path), **inherited}
            elif not isinstance(key, yaml.ScalarNode):
                self._complain(key, path, "a key should be text")
            elif key.value in own:
                first = own[key.value][0].start_mark.line + 1
                self._complain(key, (*path, key.value), f"duplicate key {key.value!r} (first at line {first})")
            else:
                own[key.value] = (key, value)
        return {**inherited, **own}

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> tuple[object, tuple[str, ...]]:
        if node.tag == _TAG + "str":
            filled = interpolate(node.value, self._environ)
            for fault in filled.faults:
                self._refuse(node, path, fault)
            left_out = filled.names and not filled.faults and not filled.text and not node.style
            return (_LEFT_OUT if left_out else filled.text), filled.names
        if node.tag not in _READ_BY_YAML:
            self._refuse(node, path, f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here")
            return None, ()
        if node.tag == _TAG + "null" and not node.value:
            return _LEFT_OUT, ()
        try:
            value = self._construct(node)
        except (ValueError, LookupError, AttributeError, ArithmeticError, yaml.YAMLError):
            self._refuse(node, path, "is not the number or date it looks like; quote it for text")
            return None, ()
        if isinstance(value, int | float) and not node.style and _MISREAD.fullmatch(node.value):
            # Not quoted here: a key of digits is a secret all the same.
            self._refuse(node, path, "YAML reads this form in base 8 or 60; write it plainly, or quote it for text")
        return value, ()

    @contextmanager
    def _inside(self, node: yaml.Node, path: KeyPath) -> Iterator[None]:
        # An alias is the same node again: no size on paper, but all of it here.
        self._nodes_left -= 1 if isinstance(node, yaml.ScalarNode) else 1 + len(node.value)
        if self._nodes_left < 0:
            raise ConfigError([problem(self._place(node), path, "too many values once aliases are followed")])
        if any(node is outer for outer in self._open):
            raise ConfigError([problem(self._place(node), path, "an alias contains itself")])
        if len(self._open) >= MAX_DEPTH:
            raise ConfigError([problem(self._place(node), path, f"nested deeper than {MAX_DEPTH} levels")])
        self._open.append(node)
        yield
        self._open.pop()

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _complain(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self._document.problems.append(problem(self._place(node), path, text))

    def _refuse(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self._complain(node, path, text)
        self._document.broken.add(path)
