"""A YAML 1.1 file into a document. Bounded: bytes here, depth and the number of values in `nodes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from gateway.config.document import Document
from gateway.config.nodes import MAX_DEPTH, NodeReader
from gateway.config.problem import ConfigError, Place, problem
from gateway.config.syntax import compose

MAX_BYTES: Final = 1024 * 1024


def read_file(path: Path, environ: Mapping[str, str]) -> Document:
    """
    Raises:
        ConfigError: the file cannot be read, or see `parse`.
    """
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError([problem(place, (), f"cannot be read: {getattr(error, 'strerror', error)}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([problem(place, (), f"is larger than {MAX_BYTES} bytes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig").split("\n")
    else:
        return parse(text, str(path), environ)
    # Outside of the handler: that error carries the whole file.
    place = Place(str(path), len(before), len(before[-1]) + 1)
    raise ConfigError([problem(place, (), "is not UTF-8 text")])


def parse(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """
    Everything that can be read; what cannot is among `Document.problems`.

    Raises:
        ConfigError: nothing can be read: the syntax is wrong, or a bound is passed.
    """
    root = compose(text, file, MAX_DEPTH)
    top = Place(file, 1, 1)
    if root is None:
        raise ConfigError([problem(top, (), "is empty; a configuration is a mapping of keys to values")])
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([problem(top, (), "should be a mapping of keys to values at the top")])
    return NodeReader(file, environ).document(root)
